"""One GET of a document, from servers that answer as they should and otherwise."""

from __future__ import annotations

import socket
import ssl
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from object_stores.faulty_s3 import Content, FaultyS3, faulty_s3
from verifiers.private_ca import PrivateCa

from spire_bridge.errors import EXIT_UNAVAILABLE
from spire_bridge.transport.https import MAX_BYTES, DocumentTooLarge, Fetched, FetchFailed, get


@pytest.fixture
def site() -> Iterator[FaultyS3]:
    with faulty_s3() as bucket:
        yield bucket


@contextmanager
def answering_once(answer: bytes) -> Iterator[str]:
    """The URL of a server that answers with these bytes, whatever is asked."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def once() -> None:
            connection, _ = server.accept()
            with connection:
                connection.recv(65_536)
                connection.sendall(answer)

        thread = threading.Thread(target=once)
        thread.start()
        yield f"http://127.0.0.1:{server.getsockname()[1]}/"
        thread.join()


def test_the_answer_as_it_is(site: FaultyS3) -> None:
    site.objects["/a?b=c"] = Content(b"{}", {"Content-Type": "Application/JSON; charset=utf-8"})
    assert get(f"{site.url}/a?b=c") == Fetched(200, "application/json", b"{}")
    assert get(site.url).status == 404
    assert site.requests == [("GET", "/a?b=c"), ("GET", "/")]


def test_the_server_s_clock(site: FaultyS3) -> None:
    def answered_at(**headers: str) -> float | None:
        site.objects["/a"] = Content(b"", headers)
        return get(f"{site.url}/a").answered_at

    assert answered_at() == pytest.approx(time.time(), abs=2)
    assert answered_at(Age="400") == pytest.approx(time.time() + 400, abs=2)
    for age in ("-1", "x", "9" * 400, "²"):
        assert answered_at(Age=age) == pytest.approx(time.time(), abs=2)


@pytest.mark.parametrize("date", [b"", b"Date: yesterday\r\n", b"Date: Thu, 26 Nov 99999\r\n"])
def test_a_server_that_does_not_tell_the_time(date: bytes) -> None:
    answer = b"HTTP/1.1 200 OK\r\n" + date + b"Content-Length: 0\r\n\r\n"
    with answering_once(answer) as url:
        assert get(url).answered_at is None


def test_a_redirect_is_an_answer(site: FaultyS3) -> None:
    site.refusals = [302]
    assert get(f"{site.url}/a").is_redirect
    assert len(site.requests) == 1


def test_what_is_too_large_is_not_read_to_its_end(site: FaultyS3) -> None:
    site.objects["/a"] = Content(b" " * MAX_BYTES, {})
    site.objects["/b"] = Content(b" " * (MAX_BYTES + 1), {})
    assert len(get(f"{site.url}/a").body) == MAX_BYTES
    with pytest.raises(DocumentTooLarge, match=f"more than {MAX_BYTES} bytes"):
        get(f"{site.url}/b")


@pytest.mark.parametrize(
    "url",
    ["http://127.0.0.1:9", "http://[", "http://127.0.0.1:port/", "", "x:y", "ftp://127.0.0.1/"],
)
def test_who_does_not_answer(url: str) -> None:
    with pytest.raises(FetchFailed) as failure:
        get(url, timeout_seconds=1)
    assert failure.value.exit_status == EXIT_UNAVAILABLE
    assert failure.value.message.startswith(f"{url} can't be read: ")


@pytest.mark.parametrize("answer", [b"", b"SSH-2.0-x\r\n\r\n", b"HTTP/1.1 200 OK\r\nContent-"])
def test_what_is_no_http(answer: bytes) -> None:
    with answering_once(answer) as url:
        if answer.startswith(b"HTTP"):  # a head that ends early is an empty answer to Python
            assert get(url).body == b""
        else:
            with pytest.raises(FetchFailed):
                get(url)


def test_only_servers_that_an_authority_vouches_for(tmp_path: Path) -> None:
    pki = PrivateCa.create(tmp_path)
    served = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    served.load_cert_chain(pki.certificate, pki.key)
    with faulty_s3(served) as site:
        site.objects["/a"] = Content(b"{}", {})
        with pytest.raises(FetchFailed, match="certificate is not trusted here"):
            get(f"{site.url}/a")
        trusting = ssl.create_default_context(cafile=pki.ca)
        assert get(f"{site.url}/a", tls=trusting).body == b"{}"
