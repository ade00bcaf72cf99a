"""The documents over real HTTP on loopback."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace

import pytest
from loopback_http import Answer, ask, line_to

from spire_bridge.issuer.documents import Documents
from spire_bridge.issuer.url import IssuerUrl
from spire_bridge.listen.address import ListenAddress
from spire_bridge.listen.server import serving
from spire_bridge.publish.routes import IssuerRoutes

DISCOVERY = "/.well-known/openid-configuration"
LOOPBACK = ListenAddress("127.0.0.1", 0)
CORS = ("access-control-allow-origin", "*")


@pytest.fixture
def routes(issuer: IssuerUrl) -> IssuerRoutes:
    return IssuerRoutes(issuer)


@pytest.fixture
async def address(routes: IssuerRoutes) -> AsyncIterator[ListenAddress]:
    async with serving(routes, LOOPBACK) as address:
        yield address


@pytest.mark.parametrize("path", ["/keys", DISCOVERY])
@pytest.mark.parametrize("method", ["GET", "HEAD"])
async def test_before_the_first_bundle_there_is_nothing_to_believe(
    address: ListenAddress, path: str, method: str
) -> None:
    answer = await ask(address, path, method)
    assert answer.status == 503
    assert answer.headers["retry-after"] == "5"
    assert answer.headers["cache-control"] == "no-store"
    assert answer.body == (b"no bundle has arrived yet\n" if method == "GET" else b"")
    assert CORS in answer.headers.items()


async def test_both_documents_are_served_as_they_are(
    address: ListenAddress, routes: IssuerRoutes, documents: Documents
) -> None:
    routes.show(documents)
    for path, document in (("/keys", documents.jwks), (DISCOVERY, documents.discovery)):
        answer = await ask(address, path)
        assert (answer.status, answer.body) == (200, document.body)
        assert answer.headers["etag"] == document.etag
        assert answer.headers["content-type"] == "application/json"
        assert answer.headers["cache-control"] == "public, max-age=120"
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert CORS in answer.headers.items()


async def test_head_says_what_get_would(
    address: ListenAddress, routes: IssuerRoutes, documents: Documents
) -> None:
    routes.show(documents)
    async with line_to(address) as line:
        get, head = await line.ask("/keys"), await line.ask("/keys", "HEAD")
        assert head.body == b""
        assert without_date(head) == without_date(get)
        assert (await line.ask("/keys")).body == get.body  # nothing of HEAD is left on the line


async def test_a_condition_that_holds_spares_the_body(
    address: ListenAddress, routes: IssuerRoutes, documents: Documents
) -> None:
    routes.show(documents)
    tag = documents.jwks.etag
    async with line_to(address) as line:
        for condition in (tag, f"W/{tag}", f'"a", {tag}', f'W/"a",{tag} , "b"', "*", " * "):
            answer = await line.ask("/keys", headers={"if-none-match": condition})
            assert (answer.status, answer.body) == (304, b"")
            for name in ("etag", "cache-control", "access-control-allow-origin"):
                assert name in answer.headers
            assert "content-length" not in answer.headers


async def test_a_condition_that_fails_gets_the_document(
    address: ListenAddress, routes: IssuerRoutes, documents: Documents
) -> None:
    routes.show(documents)
    other = documents.discovery.etag
    bare = documents.jwks.etag.strip('"')
    async with line_to(address) as line:
        for condition in ('"a"', other, bare, f'"{bare}', "", '"*"', "w/" + documents.jwks.etag):
            answer = await line.ask("/keys", headers={"if-none-match": condition})
            assert (answer.status, answer.body) == (200, documents.jwks.body)


async def test_a_change_is_seen_at_once_by_whoever_has_the_old_document(
    address: ListenAddress, routes: IssuerRoutes, documents: Documents, revoked: Documents
) -> None:
    routes.show(documents)
    async with line_to(address) as line:
        tag = (await line.ask("/keys")).headers["etag"]
        routes.show(revoked)
        answer = await line.ask("/keys", headers={"if-none-match": tag})
    assert (answer.status, answer.json()) == (200, {"keys": []})


async def test_how_long_to_keep_it_changes_with_the_next_show(
    address: ListenAddress, routes: IssuerRoutes, documents: Documents
) -> None:
    routes.show(documents)
    routes.show(replace(documents, cache_seconds=0))
    assert (await ask(address, "/keys")).headers["cache-control"] == "public, max-age=0"


@pytest.mark.parametrize("path", ["/keys", DISCOVERY])
async def test_a_page_may_read_the_documents_from_anywhere(
    address: ListenAddress, path: str
) -> None:
    wish = {"origin": "https://page.example", "access-control-request-method": "GET"}
    answer = await ask(address, path, "OPTIONS", wish)
    assert (answer.status, answer.body) == (204, b"")
    assert CORS in answer.headers.items()
    assert answer.headers["access-control-allow-methods"] == "GET, HEAD"
    assert answer.headers["access-control-allow-headers"] == "If-None-Match"
    assert "content-length" not in answer.headers


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "TRACE", "PROPFIND"])
async def test_other_methods_are_told_what_is_allowed(address: ListenAddress, method: str) -> None:
    answer = await ask(address, "/keys", method)
    assert (answer.status, answer.body) == (405, b"method not allowed\n")
    assert answer.headers["allow"] == "GET, HEAD, OPTIONS"


@pytest.mark.parametrize("path", ["/", "/key", "/keys2", "/.well-known/", "/healthz"])
@pytest.mark.parametrize("method", ["GET", "POST", "OPTIONS"])
async def test_what_is_not_there_is_said_shortly(
    address: ListenAddress, path: str, method: str
) -> None:
    answer = await ask(address, path, method)
    assert (answer.status, answer.body) == (404, b"not found\n")


@pytest.mark.parametrize(
    ("url", "prefix"),
    [
        ("https://issuer.example.org/spire/prod", "/spire/prod"),
        ("https://issuer.example.org/spire/prod/", "/spire/prod"),
        ("https://issuer.example.org/a%20b", "/a%20b"),
    ],
)
async def test_an_issuer_with_a_path_hangs_below_it(
    documents: Documents, url: str, prefix: str
) -> None:
    routes = IssuerRoutes(IssuerUrl.parse(url))
    routes.show(documents)
    async with serving(routes, LOOPBACK) as address:
        for path in ("/keys", DISCOVERY):
            assert (await ask(address, prefix + path)).status == 200
            assert (await ask(address, path)).status == 404


def without_date(answer: Answer) -> dict[str, str]:
    return {name: value for name, value in answer.headers.items() if name != "date"}
