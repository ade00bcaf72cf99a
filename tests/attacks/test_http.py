"""Requests that try to have the issuer say something else, or nothing any more."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from hostile_requests import SPELLINGS_OF_KEYS, SPOOFED_HEADERS, SPOOFED_HOSTS
from hypothesis import given, settings
from hypothesis import strategies as st
from loopback_http import ask, line_to, send

from spire_bridge.issuer.documents import Documents
from spire_bridge.issuer.key_set import KeySet
from spire_bridge.issuer.url import IssuerUrl
from spire_bridge.jose.public_key import PublicKey
from spire_bridge.listen.address import ListenAddress
from spire_bridge.listen.http import Request, Response
from spire_bridge.listen.http1 import MAX_PIPELINED
from spire_bridge.listen.limits import Limits
from spire_bridge.listen.request_reader import RequestReader
from spire_bridge.listen.server import serving
from spire_bridge.publish.routes import IssuerRoutes
from spire_bridge.spiffe.jwt_bundle import JwtAuthority

DISCOVERY = "/.well-known/openid-configuration"
ISSUER = IssuerUrl.parse("https://issuer.example.org")


@pytest.fixture(scope="module")
def documents() -> Documents:
    key = PublicKey.from_cryptography(ec.generate_private_key(ec.SECP256R1()).public_key())
    return Documents.of(ISSUER, KeySet((JwtAuthority("one", key),)))


@pytest.fixture
async def address(documents: Documents) -> AsyncIterator[ListenAddress]:
    routes = IssuerRoutes(ISSUER)
    routes.show(documents)
    async with serving(routes, ListenAddress("127.0.0.1", 0)) as address:
        yield address


@pytest.mark.parametrize("headers", SPOOFED_HEADERS)
async def test_no_header_changes_what_is_said(
    address: ListenAddress, documents: Documents, headers: dict[str, str]
) -> None:
    for path, document in (("/keys", documents.jwks), (DISCOVERY, documents.discovery)):
        answer = await ask(address, path, headers=headers)
        assert (answer.status, answer.body) == (200, document.body)
        assert answer.headers["etag"] == document.etag
        assert answer.headers["access-control-allow-origin"] == "*"


@pytest.mark.parametrize("host", SPOOFED_HOSTS)
async def test_no_host_changes_what_is_said(
    address: ListenAddress, documents: Documents, host: str
) -> None:
    request = f"GET {DISCOVERY} HTTP/1.1\r\nHost: {host}\r\n\r\n"
    answer = await send(address, request.encode())
    assert answer.status == 400 or answer.body == documents.discovery.body


@pytest.mark.parametrize("target", SPELLINGS_OF_KEYS)
async def test_other_spellings_of_a_path_are_that_path_or_refused(
    address: ListenAddress, documents: Documents, target: str
) -> None:
    answer = await ask(address, target)
    assert answer.status == 400 or answer.body == documents.jwks.body


@pytest.mark.parametrize(
    "target",
    [
        "//keys",
        "///keys",
        "/keys/",
        "/keys//",
        "/./keys",
        "/../keys",
        "/a/../keys",
        "/%2e%2e/keys",
        "/keys/..",
        "/keys%00",
        "/keys%00.json",
        "/keys%20",
        "/keys;a=b",
        "/keys%3fa=b",
        "/keys%2f",
        "%2fkeys",
        "/%252f/keys",
        "\\keys",
        "/keys\\",
        "/KEYS",
        "/keys.json",
        "/.well-known/openid-configuration/",
        "/.well-known//openid-configuration",
        "/.WELL-KNOWN/openid-configuration",
        "/.well-known/../keys",
        "/.git/config",
        "/etc/passwd",
        "/..%2f..%2fetc%2fpasswd",
        "*",
        "keys",
        "evil.example:443",
        "/%ff",
        "/%",
        "/%zz",
        "/" + "a/" * 5_000,
    ],
)
async def test_tricks_with_paths_find_nothing(address: ListenAddress, target: str) -> None:
    answer = await ask(address, target)
    assert answer.status in {400, 404}
    assert len(answer.body) < 100
    assert "location" not in answer.headers


@pytest.mark.parametrize(
    "method",
    [
        "POST",
        "PUT",
        "DELETE",
        "TRACE",
        "CONNECT",
        "PROPFIND",
        "get",
        "GETT",
        "PRI",
        "G\0T",
        "{}",
        "",
    ],
)
async def test_unknown_methods_get_no_document(address: ListenAddress, method: str) -> None:
    answer = await ask(address, "/keys", method)
    assert answer.status in {400, 405, 505}
    assert len(answer.body) < 100


async def test_nothing_that_was_sent_comes_back(address: ListenAddress) -> None:
    for path, method in (("/<script>", "GET"), ("/keys", "TRACE"), ("/marker", "POST")):
        answer = await ask(address, path, method, {"x": "marker"})
        said = repr(answer)
        assert "script" not in said
        assert "marker" not in said


async def test_a_header_cannot_split_an_answer(address: ListenAddress) -> None:
    async with line_to(address) as line:
        answer = await line.ask("/keys%0d%0aset-cookie:%20a=b")
        assert "set-cookie" not in answer.headers
        assert answer.status == 404


async def test_one_tag_in_a_flood_of_tags_is_found_quickly(
    address: ListenAddress, documents: Documents
) -> None:
    tags = ", ".join(['"' + "a" * 20 + '"'] * 1_000 + [documents.jwks.etag])
    started = asyncio.get_running_loop().time()
    assert (await ask(address, "/keys", headers={"if-none-match": tags})).status == 304
    assert asyncio.get_running_loop().time() - started < 1


async def test_many_half_requests_hold_up_nobody(
    address: ListenAddress, documents: Documents
) -> None:
    async with AsyncExitStack() as stack:
        for _ in range(200):
            line = await stack.enter_async_context(line_to(address))
            line.writer.write(b"GET /keys HTTP/1.1\r\nhost: x\r\nx: ")
        async with asyncio.timeout(1):
            assert (await ask(address, "/keys")).body == documents.jwks.body


async def test_a_client_that_hangs_up_leaves_nothing_behind(
    address: ListenAddress, documents: Documents
) -> None:
    for data in (b"", b"G", b"GET /keys HTTP/1.1\r\n", b"GET /keys HTTP/1.1\r\nhost: x\r\n\r\n"):
        async with line_to(address) as line:
            line.writer.write(data)
    assert (await ask(address, "/keys")).body == documents.jwks.body


@settings(max_examples=500)
@given(
    st.lists(
        st.binary(max_size=20)
        | st.sampled_from(
            [
                *(b"GET ", b"POST ", b"/keys", b" HTTP/1.1\r\n", b"host: x\r\n", b"\r\n", b"\n"),
                *(b"content-length: 3\r\n", b"transfer-encoding: chunked\r\n", b"3\r\nabc\r\n"),
                *(b"0\r\n", b"connection: upgrade\r\nupgrade: h2c\r\n", b"\0", b"x: y\r\n"),
                *(b"GET /keys HTTP/1.1\r\nhost: x\r\n\r\n", b"HTTP/1.0\r\n\r\n", b"%ff", b"*"),
            ]
        ),
        max_size=12,
    )
)
def test_any_bytes_are_requests_or_one_refusal(parts: list[bytes]) -> None:
    """However the bytes are cut, the same requests come of them, and no exception."""

    def read(chunks: list[bytes]) -> tuple[list[Request], Response | None]:
        requests: list[Request] = []
        reader = RequestReader(lambda request, _: requests.append(request), "", Limits())
        for chunk in chunks:
            if (refusal := reader.feed(chunk)) is not None:
                return requests, refusal
        return requests, None

    data = b"".join(parts)
    at_once, in_parts = read([data]), read(parts)
    bytewise = read([data[i : i + 1] for i in range(len(data))])
    assert [request.path for request in at_once[0]] == [request.path for request in bytewise[0]]
    assert [request.path for request in at_once[0]] == [request.path for request in in_parts[0]]
    assert (at_once[1] is None) == (bytewise[1] is None)


async def test_who_asks_for_everything_at_once_gets_a_part_of_it(
    address: ListenAddress, documents: Documents
) -> None:
    """One client's pile of requests must not have everybody else wait."""
    request = b"GET /keys HTTP/1.1\r\nHost: x\r\n\r\n"
    async with line_to(address) as line:
        line.writer.write(request * 1000)
        received = await asyncio.wait_for(line.reader.read(-1), 10)
    assert received.count(b"HTTP/1.1 200 OK") == MAX_PIPELINED
    assert received.count(b"connection: close") == 1
    assert received.endswith(documents.jwks.body)


def test_the_service_takes_as_many_files_as_the_system_allows() -> None:
    program = (
        "import resource; from spire_bridge.service.process import use_all_descriptors as use;"
        "limits = resource.getrlimit(resource.RLIMIT_NOFILE);"
        "resource.setrlimit(resource.RLIMIT_NOFILE, (256, limits[1])); use();"
        "assert resource.getrlimit(resource.RLIMIT_NOFILE) == (limits[1], limits[1])"
    )
    subprocess.run([sys.executable, "-c", program], check=True)
