"""Certificates from Pebble, which asks this listener for proof as Let's Encrypt would."""

from __future__ import annotations

import asyncio
import dataclasses
import logging
import os
import signal
import socket
import ssl
import stat
import subprocess
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from child_process import free_port
from discovery_providers.configurations import written
from discovery_providers.programs import end, eventually, ours, reference_or_skip, start, theirs
from pebble import Pebble, pebble_or_skip, running_pebble

from spire_bridge.listen.acme.certificates import AcmeCertificates, Pace
from spire_bridge.listen.address import ListenAddress
from spire_bridge.listen.http import Request, Response, text
from spire_bridge.listen.server import serving

DOMAIN = "issuer.domain.test"
OTHER = "other.domain.test"
QUICK = Pace(check=0.02, first_retry=0.2, last_retry=0.2)
YEARS = 4.99 * 365 * 24 * 3600  # Pebble's certificates last for five
PATIENCE_SECONDS = 40.0


@pytest.fixture(scope="module")
def pebble(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pebble]:
    pebble_or_skip()
    with running_pebble(tmp_path_factory.mktemp("pebble"), WFE_NONCEREJECT="30") as running:
        yield running


def hello(_: Request) -> Response:
    return text(200, "hello")


def certificates(pebble: Pebble, folder: Path | None, **options: Any) -> AcmeCertificates:
    settings: dict[str, Any] = {
        "folder": folder,
        "terms_agreed": True,
        "directory_url": pebble.directory_url,
        "email": "ops@domain.test",
        "ca_file": pebble.ca_file,
        "pace": QUICK,
        **options,
    }
    return AcmeCertificates(settings.pop("domains", (DOMAIN,)), **settings)


@asynccontextmanager
async def at_work(acme: AcmeCertificates, port: int) -> AsyncIterator[ListenAddress]:
    """The listener with these certificates, and the task that follows them."""
    async with serving(hello, ListenAddress("127.0.0.1", port), tls=acme.context) as address:
        following = asyncio.create_task(acme.follow())
        try:
            yield address
        finally:
            following.cancel()
            with suppress(asyncio.CancelledError):
                await following


async def until(condition: Any) -> None:
    async with asyncio.timeout(PATIENCE_SECONDS):
        while not condition():  # noqa: ASYNC110 — there is nothing to wait on
            await asyncio.sleep(0.02)


def certified(acme: AcmeCertificates) -> bool:
    return all(status.expires_at is not None for status in acme.status())


async def presented(port: int, pebble: Pebble, domain: str = DOMAIN) -> dict[str, Any]:
    """What a client that trusts Pebble's root is shown, after a whole request."""
    context = ssl.create_default_context(cadata=pebble.root_pem)
    reader, writer = await asyncio.open_connection(
        "127.0.0.1", port, ssl=context, server_hostname=domain
    )
    try:
        writer.write(f"GET / HTTP/1.1\r\nhost: {domain}\r\nconnection: close\r\n\r\n".encode())
        assert (await reader.read()).endswith(b"hello\n")
        return dict(writer.get_extra_info("peercert"))
    finally:
        writer.close()
        with suppress(ssl.SSLError, ConnectionError):
            await writer.wait_closed()


async def test_tls_alpn_01_on_the_listener_itself(pebble: Pebble, tmp_path: Path) -> None:
    folder = tmp_path / "cache" / "acme"
    acme = certificates(pebble, folder, domains=(DOMAIN, OTHER))
    async with at_work(acme, pebble.tls_port):
        with pytest.raises(ssl.SSLError, match="INTERNAL_ERROR"):
            await presented(pebble.tls_port, pebble)
        await until(lambda: certified(acme))
        for domain in (DOMAIN, OTHER):
            shown = await presented(pebble.tls_port, pebble, domain)
            assert shown["subjectAltName"] == (("DNS", domain),)
        assert [status.last_error for status in acme.status()] == [None, None]
        await until(lambda: (folder / OTHER).exists() and (folder / DOMAIN).exists())
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert {path.name for path in folder.iterdir()} == {DOMAIN, OTHER, "acme_account+key"}
    assert {stat.S_IMODE(path.stat().st_mode) for path in folder.iterdir()} == {0o600}


async def test_http_01_at_an_address_of_its_own(pebble: Pebble) -> None:
    acme = certificates(pebble, None, challenge="http-01")
    port = free_port()
    challenges = ListenAddress("127.0.0.1", pebble.http_port)
    async with serving(acme.http_handler, challenges), at_work(acme, port):
        await until(lambda: certified(acme))
        await presented(port, pebble)


async def test_a_restart_asks_the_ca_for_nothing(pebble: Pebble, tmp_path: Path) -> None:
    first = certificates(pebble, tmp_path)
    async with at_work(first, pebble.tls_port):
        await until(lambda: certified(first) and (tmp_path / DOMAIN).exists())
        before = await presented(pebble.tls_port, pebble)
    nobody = dataclasses.replace(pebble, directory_url="https://127.0.0.1:1/dir")
    again = certificates(nobody, tmp_path)
    async with at_work(again, free_port()) as address:
        assert await presented(address.port, pebble) == before
        assert again.status()[0].last_error is None


@pytest.mark.parametrize("broken", [DOMAIN, "acme_account+key"])
async def test_what_is_broken_on_disk_is_made_anew(
    broken: str, pebble: Pebble, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    first = certificates(pebble, tmp_path)
    async with at_work(first, pebble.tls_port):
        await until(lambda: certified(first) and (tmp_path / DOMAIN).exists())
        before = await presented(pebble.tls_port, pebble)
    (tmp_path / broken).write_bytes((tmp_path / broken).read_bytes()[:100])
    if broken != DOMAIN:
        (tmp_path / DOMAIN).unlink()
    again = certificates(pebble, tmp_path)
    [record] = caplog.records
    assert (record.levelno, vars(record)["file"]) == (logging.WARNING, str(tmp_path / broken))
    async with at_work(again, pebble.tls_port):
        await until(lambda: certified(again))
        assert await presented(pebble.tls_port, pebble) != before


async def test_no_handshake_fails_while_a_certificate_is_renewed(pebble: Pebble) -> None:
    clock = [0.0]
    acme = certificates(pebble, None, now=lambda: time.time() + clock[0])
    shown: list[str] = []

    async def keep_asking() -> None:
        while len(set(shown)) < 2 or len(shown) < 200:
            shown.append((await presented(pebble.tls_port, pebble))["serialNumber"])

    async with at_work(acme, pebble.tls_port) as address:
        await until(lambda: certified(acme))
        standing = await asyncio.open_connection(
            "127.0.0.1",
            address.port,
            ssl=ssl.create_default_context(cadata=pebble.root_pem),
            server_hostname=DOMAIN,
        )
        clock[0] = YEARS
        async with asyncio.timeout(PATIENCE_SECONDS):
            await asyncio.gather(*(keep_asking() for _ in range(4)))
        standing[1].write(b"GET / HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n")
        assert (await standing[0].read()).endswith(b"hello\n")
        standing[1].close()
    assert shown[-1] != shown[0]


async def test_a_renewal_that_fails_leaves_the_certificate_in_force(
    pebble: Pebble, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    first = certificates(pebble, tmp_path)
    async with at_work(first, pebble.tls_port):
        await until(lambda: certified(first) and (tmp_path / DOMAIN).exists())
    later = time.time() + YEARS
    acme = certificates(pebble, tmp_path, now=lambda: later)
    async with at_work(acme, free_port()) as address:  # where Pebble does not come
        await until(lambda: acme.status()[0].last_error)
        await presented(address.port, pebble)
    record = next(r for r in caplog.records if r.levelno == logging.ERROR)
    assert record.getMessage() == "no certificate was obtained"
    assert 0 < vars(record)["days_left"] < 10
    assert "unauthorized: Failed to connect" in vars(record)["reason"]
    assert "this listener that answers" in vars(record)["hint"]


async def test_one_domain_that_fails_holds_up_no_other(pebble: Pebble) -> None:
    acme = certificates(pebble, None, domains=("127.0.0.1", DOMAIN))
    async with at_work(acme, pebble.tls_port):
        await until(lambda: acme.status()[1].expires_at and acme.status()[0].last_error)
        await presented(pebble.tls_port, pebble)
    assert "127.0.0.1" in str(acme.status()[0].last_error)


async def test_a_directory_out_of_reach_is_tried_again(tmp_path: Path) -> None:
    pebble_or_skip()
    ports = {"api_port": free_port(), "tls_port": free_port()}
    with running_pebble(tmp_path, **ports) as pebble:
        pass  # and has gone
    acme = certificates(pebble, None)
    async with at_work(acme, pebble.tls_port):
        await until(lambda: acme.status()[0].last_error)
        assert "Connection refused" in str(acme.status()[0].last_error)
        with running_pebble(tmp_path, **ports) as returned:
            await until(lambda: certified(acme))
            await presented(returned.tls_port, returned)
    assert acme.status()[0].last_error is None


async def test_a_directory_that_nobody_vouches_for_is_not_believed(pebble: Pebble) -> None:
    acme = certificates(pebble, None, ca_file=None)
    async with at_work(acme, pebble.tls_port):
        await until(lambda: acme.status()[0].last_error)
    assert "certificate verify failed" in str(acme.status()[0].last_error)


async def test_a_certificate_that_cant_be_kept_is_used(
    pebble: Pebble, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    acme = certificates(pebble, tmp_path)
    (tmp_path / DOMAIN).mkdir()  # in the way of the file
    (tmp_path / DOMAIN / "x").touch()
    async with at_work(acme, pebble.tls_port):
        await until(lambda: certified(acme))
        await presented(pebble.tls_port, pebble)
        await until(lambda: "certificate is not kept" in caplog.messages)
    assert f"{tmp_path / DOMAIN} can't be written" in str(acme.status()[0].last_error)


@contextmanager
def dropped_in(
    command: Callable[[Path], tuple[str, ...]], pebble: Pebble, folder: Path, directory_url: str
) -> Iterator[subprocess.Popen[bytes]]:
    """A program that serves at port 443 from the reference's file, with its cache in `folder`."""
    acme = {"directory_url": directory_url, "email": "ops@domain.test", "tos_accepted": True}
    options = {"domains": [DOMAIN], "acme": acme, "file": {"path": "/nowhere"}}
    (folder / "odp.conf").write_text(written(options))
    log = folder / "log"
    process = start(command(folder / "odp.conf"), log, SSL_CERT_FILE=str(pebble.ca_file))
    try:
        eventually(lambda: listens(443), process, log)
        yield process
    finally:
        end(process)


def listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def shown_at_443(pebble: Pebble) -> bytes | None:
    """The certificate with which the keys are served; None while the handshake is refused."""
    context = ssl.create_default_context(cadata=pebble.root_pem)
    try:
        with (
            socket.create_connection(("127.0.0.1", 443), 20) as line,
            context.wrap_socket(line, server_hostname=DOMAIN) as tls,
        ):
            tls.sendall(f"GET /keys HTTP/1.1\r\nhost: {DOMAIN}\r\n\r\n".encode())
            assert tls.recv(12) == b"HTTP/1.1 500"  # there are no keys as yet
            return tls.getpeercert(binary_form=True)
    except OSError:
        return None


@pytest.fixture
def pebble_at_443(tmp_path: Path) -> Iterator[Pebble]:
    """One that asks for proofs at the only port that the reference's `acme` section knows."""
    pebble_or_skip()
    if os.geteuid() != 0:
        pytest.skip("port 443 is for root")
    if listens(443):
        pytest.skip("port 443 is in use")
    (tmp_path / "pebble").mkdir()
    with running_pebble(tmp_path / "pebble", tls_port=443, WFE_NONCEREJECT="0") as running:
        yield running


def test_the_drop_in_serves_at_port_443(pebble_at_443: Pebble, tmp_path: Path) -> None:
    with dropped_in(ours, pebble_at_443, tmp_path, pebble_at_443.directory_url) as process:
        eventually(lambda: shown_at_443(pebble_at_443), process, tmp_path / "log")
        process.send_signal(signal.SIGTERM)
        assert process.wait(10) == 0
    assert (tmp_path / ".acme-cache" / DOMAIN).exists()


@pytest.mark.parametrize("first", ["ours", "theirs"])
def test_either_program_takes_up_the_others_certificate(
    first: str, pebble_at_443: Pebble, tmp_path: Path
) -> None:
    reference = reference_or_skip()
    commands = [ours, partial(theirs, reference)]
    if first == "theirs":
        commands.reverse()
    nobody = f"https://127.0.0.1:{free_port()}/dir"
    shown = []
    for command, directory in zip(commands, (pebble_at_443.directory_url, nobody), strict=True):
        with dropped_in(command, pebble_at_443, tmp_path, directory) as process:
            eventually(lambda: shown_at_443(pebble_at_443), process, tmp_path / "log")
            shown.append(shown_at_443(pebble_at_443))
            kept = tmp_path / ".acme-cache" / DOMAIN
            eventually(kept.exists, process, tmp_path / "log")
    assert shown[0] == shown[1]
