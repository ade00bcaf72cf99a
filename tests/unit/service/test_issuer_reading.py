"""An issuer's documents, live and saved, as they should be and as they should not."""

from __future__ import annotations

import json
import ssl
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from object_stores.faulty_s3 import Content, FaultyS3, faulty_s3
from verifiers.private_ca import PrivateCa

from spire_bridge.issuer.url import InvalidIssuerUrl
from spire_bridge.service.trust.issuer_reading import (
    InvalidAuthorities,
    InvalidSavedIssuer,
    IssuerReader,
    ReadIssuer,
)

DISCOVERY, KEYS = "/.well-known/openid-configuration", "/keys"
READER = IssuerReader(timeout_seconds=5)
KEY = {"kty": "EC", "kid": "a", "crv": "P-256"}


def serve(site: FaultyS3, path: str, value: Any) -> None:
    site.objects[path] = Content(json.dumps(value).encode(), {})


@pytest.fixture
def site() -> Iterator[FaultyS3]:
    with faulty_s3() as bucket:
        serve(bucket, DISCOVERY, {"issuer": bucket.url, "jwks_uri": bucket.url + KEYS})
        serve(bucket, KEYS, {"keys": [KEY]})
        yield bucket


@pytest.mark.parametrize("slash", ["", "/"])
def test_a_live_issuer(site: FaultyS3, slash: str) -> None:
    for read in (READER.read(site.url + slash), READER.read_named(site.url + slash)):
        assert (read.documents.problem, read.is_unavailable) == ("", False)
        assert read.documents.issuer == site.url
        assert read.documents.key("a") == KEY
        assert read.documents.jwks_bytes == len(site.objects[KEYS].body)


def test_an_authority_from_a_file(tmp_path: Path) -> None:
    pki = PrivateCa.create(tmp_path)
    served = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    served.load_cert_chain(pki.certificate, pki.key)
    with faulty_s3(served) as site:
        serve(site, DISCOVERY, {"issuer": site.url, "jwks_uri": site.url + KEYS})
        serve(site, KEYS, {"keys": [KEY]})
        stranger = READER.read(site.url)
        assert "certificate is not trusted here" in stranger.documents.problem
        trusting = IssuerReader.trusting(pki.ca, timeout_seconds=5)
        assert trusting.read(site.url).documents.keys == (KEY,)
        serve(site, DISCOVERY, {"issuer": site.url, "jwks_uri": "http://127.0.0.1:9/keys"})
        assert "jwks_uri is no https URL" in trusting.read(site.url).documents.problem


@pytest.mark.parametrize("content", [None, "", "no PEM"])
def test_authorities_that_are_none(tmp_path: Path, content: str | None) -> None:
    file = tmp_path / "ca.pem"
    if content is not None:
        file.write_text(content)
    with pytest.raises(InvalidAuthorities, match=r"ca\.pem can't be used"):
        IssuerReader.trusting(file, timeout_seconds=5)


@pytest.mark.parametrize(("status", "may_pass"), [(302, False), (404, False), (503, True)])
@pytest.mark.parametrize("at", [DISCOVERY, KEYS])
def test_answers_that_are_no_documents(
    site: FaultyS3, status: int, may_pass: bool, at: str
) -> None:
    site.refusals = [status] if at == DISCOVERY else [None, status]
    read = READER.read(site.url)
    assert f"{at} answers" in read.documents.problem
    assert f"HTTP {status}" in read.documents.problem
    assert read.is_unavailable is may_pass
    assert read.documents.issuer == (None if at == DISCOVERY else site.url)
    assert len(site.requests) == (1 if at == DISCOVERY else 2), "nothing is followed"


def test_an_issuer_out_of_reach_is_a_result() -> None:
    read = READER.read("http://127.0.0.1:9")
    assert read.is_unavailable
    assert "can't be read" in read.documents.problem


@pytest.mark.parametrize(
    ("discovery", "problem"),
    [
        (b"", "the discovery document is no JSON"),
        (b"[]", "the discovery document is no JSON object"),
        (b"{}", "the discovery document has no jwks_uri"),
        (b'{"jwks_uri": 1}', "the discovery document has no jwks_uri"),
        (b'{"jwks_uri": "http://keys.example.org"}', "jwks_uri is no https URL"),
        (b'{"jwks_uri": "file:///etc/passwd"}', "jwks_uri is no https URL"),
        (b'{"jwks_uri": "/keys"}', "jwks_uri is no https URL"),
        (b" " * (5 << 20), "answers with more than"),
    ],
)
def test_discovery_documents_that_lead_nowhere(
    site: FaultyS3, discovery: bytes, problem: str
) -> None:
    site.objects[DISCOVERY] = Content(discovery, {})
    read = READER.read(site.url)
    assert problem in read.documents.problem
    assert not read.is_unavailable
    assert len(site.requests) == 1


def test_key_sets_that_are_none(site: FaultyS3) -> None:
    serve(site, KEYS, {"kids": []})
    read = READER.read(site.url)
    assert read.documents.problem == "the key set has no list of keys"
    assert read.documents.issuer == site.url


@pytest.mark.parametrize(
    "issuer",
    [None, "", "example.org", "http://example.org", "file:///etc", "https://", "https://[", "a\nb"],
)
def test_a_token_may_name_anything(issuer: str | None) -> None:
    read = READER.read_named(issuer)
    assert read.documents.problem
    assert not read.is_unavailable


@pytest.mark.parametrize("url", ["http://example.org", "ftp://example.org", "https://a?b"])
def test_an_operator_is_told_what_is_no_issuer(url: str) -> None:
    with pytest.raises(InvalidIssuerUrl):
        READER.read(url)


@pytest.mark.parametrize(
    "names",
    [(".well-known/openid-configuration", "keys"), ("openid-configuration.json", "jwks.json")],
)
def test_a_saved_issuer(tmp_path: Path, names: tuple[str, str]) -> None:
    (tmp_path / ".well-known").mkdir()
    for name, content in zip(names, ({"issuer": "https://a"}, {"keys": [KEY]}), strict=True):
        (tmp_path / name).write_text(json.dumps(content))
    read = READER.read(str(tmp_path))
    assert (read.documents.issuer, read.documents.keys) == ("https://a", (KEY,))
    assert read == ReadIssuer(read.documents)


def test_folders_that_hold_none(tmp_path: Path) -> None:
    for folder in (tmp_path, tmp_path / "absent"):
        with pytest.raises(InvalidSavedIssuer, match="holds no issuer's documents"):
            READER.read(str(folder))
    (tmp_path / "openid-configuration.json").mkdir()
    (tmp_path / "jwks.json").touch()
    with pytest.raises(InvalidSavedIssuer, match="is not a regular file"):
        READER.read(str(tmp_path))
