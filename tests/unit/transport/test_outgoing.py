"""Calls to token endpoints: by proxies and other authorities, and to who answers as none should."""

from __future__ import annotations

import socket
import ssl
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from token_endpoint import (
    Converse,
    Listening,
    answering,
    http,
    listening,
    proxying,
)
from verifiers.private_ca import PrivateCa
from web_certificates import SERVER_NAME, WebAuthority

from spire_bridge.errors import EXIT_UNAVAILABLE, EXIT_USAGE, BridgeError
from spire_bridge.transport.outgoing import (
    MAX_ANSWER_BYTES,
    CallFailed,
    HttpRequest,
    InvalidEndpoint,
    Outgoing,
)

SECRET = "eyJzZWNyZXQ"
DIRECTLY = Outgoing({}, timeout_seconds=5)


def post(url: str) -> HttpRequest:
    headers = {"Authorization": f"Bearer {SECRET}", "Content-Type": "text/plain"}
    return HttpRequest("POST", url, headers, f"token={SECRET}".encode())


def fails(outgoing: Outgoing, request: HttpRequest, kind: type[BridgeError] = CallFailed) -> str:
    with pytest.raises(kind) as caught:
        outgoing(request)
    said = caught.value.diagnostic() + repr(caught.value)
    assert SECRET not in said
    assert "password" not in said
    assert caught.value.__cause__ is None
    assert caught.value.exit_status == (EXIT_UNAVAILABLE if kind is CallFailed else EXIT_USAGE)
    return caught.value.message


@pytest.fixture(scope="module")
def pki(tmp_path_factory: pytest.TempPathFactory) -> PrivateCa:
    return PrivateCa.create(tmp_path_factory.mktemp("pki"))


@pytest.fixture(scope="module")
def trusting(pki: PrivateCa) -> Outgoing:
    return Outgoing({}, timeout_seconds=5, ca_file=pki.ca)


@contextmanager
def with_tls(pki: PrivateCa, converse: Converse) -> Iterator[Listening]:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(pki.certificate, pki.key)
    with listening(converse, context) as at:
        yield at


def test_a_request_and_its_answer() -> None:
    with listening(answering(http(403, b"no", "X-Amzn-ErrorType: Denied"))) as at:
        answer = DIRECTLY(post(f"http://{at.origin}/a?b=c"))
    assert (answer.status, answer.body) == (403, b"no")
    assert answer.headers["x-amzn-errortype"] == "Denied"
    (request,) = at.requests
    assert request.startswith(b"POST /a?b=c HTTP/1.1\r\n")
    assert request.endswith(f"\r\n\r\ntoken={SECRET}".encode())


def test_nothing_secret_in_what_is_shown() -> None:
    with listening(answering(http(200, SECRET.encode(), f"X-Token: {SECRET}"))) as at:
        request = post(f"http://{at.origin}/")
        answer = DIRECTLY(request)
    assert SECRET not in repr(request)
    assert SECRET not in repr(answer)


def test_a_redirect_is_not_followed() -> None:
    with listening(answering(http(302, b"", "Location: http://127.0.0.1:9/"))) as at:
        assert DIRECTLY(post(f"http://{at.origin}/")).status == 302
    assert len(at.requests) == 1


@pytest.mark.parametrize(
    "url",
    [
        "",
        "x:y",
        "ftp://127.0.0.1/",
        "https://",
        "https://[",
        "https://host:port/",
        "https://host:0/",
        "https://host:99999/",
        "https://user:password@host/",
        "https://host/\r\nX: y",
        "https://höst/",
    ],
)
def test_urls_that_nothing_is_sent_to(url: str) -> None:
    assert "no http or https URL" in fails(DIRECTLY, post(url), InvalidEndpoint)


@pytest.mark.parametrize("host", ["example.org", "10.0.0.1", "localhost.example.org", "[::2]"])
def test_http_elsewhere_than_on_this_machine(host: str) -> None:
    message = fails(DIRECTLY, post(f"http://{host}/"), InvalidEndpoint)
    assert "without TLS" in message


def test_http_elsewhere_where_it_is_allowed() -> None:
    with listening(proxying()) as proxy:
        there = Outgoing({"HTTP_PROXY": f"http://{proxy.origin}"}, allow_http=True)
        assert there(post("http://sts.example.org/a?b=c")).body == b"by the proxy"
    assert proxy.requests[0].startswith(b"POST http://sts.example.org/a?b=c HTTP/1.1\r\n")


def test_only_servers_that_an_authority_vouches_for(pki: PrivateCa, trusting: Outgoing) -> None:
    with with_tls(pki, answering(http())) as at:
        assert trusting(post(f"https://{at.origin}/")).body == b"{}"
        message = fails(DIRECTLY, post(f"https://{at.origin}/"))
    assert f"https://{at.origin} is not trusted here" in message


def test_a_ca_file_that_is_none(tmp_path: Path) -> None:
    (tmp_path / "empty").write_bytes(b"")
    for name in ("empty", "none", "."):
        outgoing = replace(DIRECTLY, ca_file=tmp_path / name)
        message = fails(outgoing, post("https://127.0.0.1:9/"), InvalidEndpoint)
        assert "holds no certificates" in message


def test_a_proxy_is_asked_for_a_tunnel(pki: PrivateCa) -> None:
    with (
        with_tls(pki, answering(http())) as at,
        listening(proxying("user:pass word", at.origin)) as proxy,
    ):
        there = Outgoing(
            {"HTTPS_PROXY": f"http://user:pass%20word@{proxy.origin}"}, 5, ca_file=pki.ca
        )
        # The certificate is for 127.0.0.1, and the name is not: it is what is verified.
        message = fails(there, post("https://sts.example.org/"))
        assert "https://sts.example.org is not trusted here" in message
        assert proxy.requests[0].startswith(b"CONNECT sts.example.org:443 ")
    assert SECRET.encode() not in b"".join(proxy.requests)


def test_a_call_through_a_proxy_arrives(tmp_path: Path) -> None:
    authority = WebAuthority(tmp_path)
    pair = authority.issue()
    (tmp_path / "pair.pem").write_bytes(pair.certificate + pair.key)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(tmp_path / "pair.pem")
    with (
        listening(answering(http(200, b"there")), context) as at,
        listening(proxying("user:pass word", at.origin)) as proxy,
    ):
        url = f"http://user:pass%20word@{proxy.origin}"
        there = Outgoing({"https_proxy": url}, 5, ca_file=authority.file)
        assert there(post(f"https://{SERVER_NAME}/a")).body == b"there"
    assert proxy.requests[0].startswith(f"CONNECT {SERVER_NAME}:443 ".encode())
    assert at.requests[0].startswith(b"POST /a HTTP/1.1\r\n")
    assert b"Proxy-Authorization" not in at.requests[0]


def test_a_proxy_that_wants_other_credentials(pki: PrivateCa) -> None:
    with listening(proxying("user:right")) as proxy:
        there = Outgoing({"HTTPS_PROXY": f"http://user:password@{proxy.origin}"}, 5)
        message = fails(there, post("https://sts.example.org/"))
    assert "through the proxy 127.0.0.1: " in message
    assert "407" in message


@pytest.mark.parametrize("proxy", ["https://host:1", "socks5://host:1", "http://", "http://[", ":"])
def test_proxies_that_are_none(proxy: str) -> None:
    there = Outgoing({"HTTPS_PROXY": proxy})
    assert "no http URL" in fails(there, post("https://sts.example.org/"), InvalidEndpoint)


@pytest.mark.parametrize(
    ("no_proxy", "passed"),
    [
        ("", False),
        ("example.com", False),
        ("sts.example.org", True),
        (".example.org", True),
        ("example.org", True),
        ("other, example.org:443", False),  # that port is not named in the URL
        ("*", True),
    ],
)
def test_no_proxy(no_proxy: str, passed: bool) -> None:
    there = Outgoing({"HTTPS_PROXY": "http://127.0.0.1:9", "NO_PROXY": no_proxy})
    (proxied,) = [there._proxy(there._endpoint("https://sts.example.org/"))]
    assert (proxied is None) is passed


def test_this_machine_is_asked_directly() -> None:
    environment = dict.fromkeys(("HTTP_PROXY", "ALL_PROXY"), "http://127.0.0.1:9")
    with listening(answering(http())) as at:
        assert Outgoing(environment, 5)(post(f"http://{at.origin}/")).status == 200


@pytest.mark.parametrize(
    ("environment", "port"),
    [
        ({"HTTPS_PROXY": "http://p:1", "ALL_PROXY": "http://p:2"}, 1),
        ({"ALL_PROXY": "http://p:2", "HTTP_PROXY": "http://p:3"}, 2),
        ({"HTTPS_PROXY": "http://p:1", "https_proxy": "http://p:4"}, 4),
        ({"https_proxy": "http://p:4", "HTTPS_PROXY": "http://p:1"}, 4),
        ({"https_proxy": "p:5"}, 5),
        ({"HTTP_PROXY": "http://p:3"}, None),
        ({"HTTPS_PROXY": ""}, None),
    ],
)
def test_which_proxy_counts(environment: dict[str, str], port: int | None) -> None:
    there = Outgoing(environment)
    proxy = there._proxy(there._endpoint("https://sts.example.org/"))
    assert (proxy.port if proxy else None) == port


@pytest.mark.parametrize("url", ["http://127.0.0.1:9/", "https://127.0.0.1:9/"])
def test_who_is_not_there(url: str) -> None:
    assert "Connection refused" in fails(DIRECTLY, post(url))


def dripping(start: bytes, drop: bytes, seconds: float) -> Converse:
    def converse(connection: socket.socket, _: bytes) -> None:
        connection.sendall(start)
        while True:
            connection.sendall(drop)
            time.sleep(seconds)

    return converse


@pytest.mark.parametrize(
    "converse",
    [
        lambda connection, _: connection.recv(1),
        dripping(b"", b"H", 0.05),
        dripping(b"HTTP/1.1 200 OK\r\nX: ", b"x", 0.05),
        dripping(b"HTTP/1.1 200 OK\r\nContent-Length: 9999\r\n\r\n", b"x", 0.05),
        dripping(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", b"1\r\nx\r\n", 0.05),
    ],
    ids=["silent", "status", "header", "body", "chunks"],
)
def test_one_deadline_for_all_of_an_answer(converse: Converse) -> None:
    with listening(converse) as at:
        started = time.monotonic()
        message = fails(replace(DIRECTLY, timeout_seconds=0.3), post(f"http://{at.origin}/"))
        assert time.monotonic() - started < 1
    assert "did not answer within 0.3 s" in message


def test_silence_after_a_drip_is_not_waited_for_anew() -> None:
    def stalling(connection: socket.socket, _: bytes) -> None:
        for piece in (b"HTTP/1.1 200 OK\r\n", b"X: y", b"y"):
            connection.sendall(piece)
            time.sleep(0.15)
        connection.recv(1)

    with listening(stalling) as at:
        started = time.monotonic()
        fails(replace(DIRECTLY, timeout_seconds=0.5), post(f"http://{at.origin}/"))
        assert time.monotonic() - started < 0.65


def test_a_proxy_that_drips() -> None:
    with listening(dripping(b"HTTP/1.1 200 OK\r\nX: ", b"x", 0.05)) as proxy:
        there = Outgoing({"HTTPS_PROXY": f"http://{proxy.origin}"}, 0.3)
        started = time.monotonic()
        message = fails(there, post("https://sts.example.org/"))
        assert time.monotonic() - started < 1
    assert "did not answer within 0.3 s through the proxy 127.0.0.1" in message


def test_an_answer_that_is_too_large() -> None:
    for size, is_fine in ((MAX_ANSWER_BYTES, True), (MAX_ANSWER_BYTES + 1, False)):
        chunk = b"%x\r\n%b\r\n0\r\n\r\n" % (size, b"x" * size)
        chunked = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + chunk
        for data in (http(200, b"x" * size), chunked):
            with listening(answering(data)) as at:
                if is_fine:
                    assert len(DIRECTLY(post(f"http://{at.origin}/")).body) == size
                else:
                    assert "more than" in fails(DIRECTLY, post(f"http://{at.origin}/"))


@pytest.mark.parametrize(
    "data",
    [
        b"",
        f"SSH-2.0-{SECRET}\r\n\r\n".encode(),
        b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n{}",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n{}",
        b"HTTP/1.1 200 OK\r\nX: " + b"x" * 70_000,
        b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 200 + b"\r\n",
    ],
    ids=["nothing", "echo", "short", "short-chunk", "long-header", "many-headers"],
)
def test_what_is_no_http(data: bytes) -> None:
    with listening(answering(data)) as at:
        fails(DIRECTLY, post(f"http://{at.origin}/"))


@pytest.mark.parametrize("value", [f"{SECRET}\r\nX: y", f"{SECRET}\0ö\u2028"])
def test_a_header_that_cannot_be_sent_is_not_repeated(value: str) -> None:
    with listening(answering(http())) as at:
        fails(DIRECTLY, HttpRequest("GET", f"http://{at.origin}/", {"X": value}))
