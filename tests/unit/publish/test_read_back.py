"""What relying parties see of a publication, read as they would."""

from __future__ import annotations

import socket
from collections.abc import Iterator

import pytest
from object_stores.faulty_s3 import Content, FaultyS3, faulty_s3

from spire_bridge.errors import EXIT_UNAVAILABLE
from spire_bridge.issuer.documents import Documents
from spire_bridge.publish.read_back import (
    PublicUrl,
    PublicUrlUnavailable,
    ReadBackFailed,
    Visibility,
)

JWKS, DISCOVERY = "/t/keys", "/t/.well-known/openid-configuration"
JSON = {"Content-Type": "application/json"}


@pytest.fixture
def site(documents: Documents) -> Iterator[FaultyS3]:
    with faulty_s3() as bucket:
        bucket.objects[JWKS] = Content(documents.jwks.body, JSON)
        bucket.objects[DISCOVERY] = Content(documents.discovery.body, JSON)
        yield bucket


@pytest.fixture
def url(site: FaultyS3) -> PublicUrl:
    return PublicUrl(f"{site.url}/t", timeout_seconds=5)


def test_what_is_there_is_visible(site: FaultyS3, url: PublicUrl, documents: Documents) -> None:
    assert url.look(documents) is Visibility.VISIBLE
    assert site.requests == [("GET", JWKS), ("GET", DISCOVERY)]


@pytest.mark.parametrize("type_", ["application/json; charset=utf-8", "Application/JSON"])
def test_the_type_as_other_servers_write_it_and_space_at_the_end(
    site: FaultyS3, url: PublicUrl, documents: Documents, type_: str
) -> None:
    site.objects[JWKS] = Content(documents.jwks.body + b"\n", {"Content-Type": type_})
    assert url.look(documents) is Visibility.VISIBLE


@pytest.mark.parametrize("path", [JWKS, DISCOVERY])
def test_an_older_copy_or_none_is_not_yet_the_new_one(
    site: FaultyS3, url: PublicUrl, documents: Documents, path: str
) -> None:
    site.objects[path] = Content(b"{}", JSON)
    assert url.look(documents) is Visibility.NOT_YET
    del site.objects[path]
    assert url.look(documents) is Visibility.NOT_YET


@pytest.mark.parametrize("path", [JWKS, DISCOVERY])
@pytest.mark.parametrize(
    ("headers", "said"), [({"Content-Type": "text/plain"}, "text/plain"), ({}, r"\(none\)")]
)
def test_another_content_type_is_wrong(
    site: FaultyS3,
    url: PublicUrl,
    documents: Documents,
    path: str,
    headers: dict[str, str],
    said: str,
) -> None:
    site.objects[path] = Content(site.objects[path].body, headers)
    with pytest.raises(ReadBackFailed, match=f"{path} has the content type {said}"):
        url.look(documents)


@pytest.mark.parametrize(
    ("status", "said"), [(301, "a redirect"), (302, "a redirect"), (403, "HTTP 403")]
)
def test_what_no_relying_party_can_read_is_wrong(
    site: FaultyS3, url: PublicUrl, documents: Documents, status: int, said: str
) -> None:
    site.refusals = [status]
    with pytest.raises(ReadBackFailed, match=said):
        url.look(documents)


def test_what_may_pass_is_unavailable(site: FaultyS3, url: PublicUrl, documents: Documents) -> None:
    site.refusals = [503]
    with pytest.raises(PublicUrlUnavailable, match="HTTP 503") as failure:
        url.look(documents)
    assert failure.value.exit_status == EXIT_UNAVAILABLE
    with pytest.raises(PublicUrlUnavailable, match="refused"):
        PublicUrl("http://127.0.0.1:9").look(documents)
    site.held = True
    with pytest.raises(PublicUrlUnavailable, match="timed out"):
        PublicUrl(site.url, timeout_seconds=0.1).look(documents)


def test_what_is_no_http_is_unavailable(documents: Documents) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(5)
        url = PublicUrl(f"https://127.0.0.1:{server.getsockname()[1]}", 0.2)
        with pytest.raises(PublicUrlUnavailable):
            url.look(documents)


def test_a_body_without_end_is_cut(site: FaultyS3, url: PublicUrl, documents: Documents) -> None:
    site.objects[JWKS] = Content(b" " * (5 << 20), JSON)
    with pytest.raises(ReadBackFailed, match="more than"):
        url.look(documents)
