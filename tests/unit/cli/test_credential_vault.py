"""`credential vault` as a process, at a Vault that answers as it is told."""

from __future__ import annotations

import asyncio
import json
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from command_line import SLOW_TO_LOAD, loaded
from verifiers.private_ca import PrivateCa

from spire_bridge.sandbox.workload import Workload

GRANT = {"client_token": "hvs.granted", "lease_duration": 3600, "renewable": True}


class FakeVault(ThreadingHTTPServer):
    """Gives `answers` in turn, the last again and again, and remembers the bodies it was sent."""

    def __init__(self, tls: ssl.SSLContext | None = None) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.scheme = "http"
        if tls is not None:
            self.scheme = "https"
            self.socket = tls.wrap_socket(self.socket, server_side=True)
        self.answers: list[tuple[int, Any]] = [(200, {"auth": GRANT})]
        self.asked: list[Any] = []

    @property
    def url(self) -> str:
        return f"{self.scheme}://127.0.0.1:{self.server_port}"


class _Handler(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        vault = self.server
        assert isinstance(vault, FakeVault)
        vault.asked.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
        status, content = vault.answers[0]
        if len(vault.answers) > 1:
            vault.answers.pop(0)
        self.send_response(status)
        self.end_headers()
        self.wfile.write(json.dumps(content).encode())

    def log_message(self, format: str, *_: object) -> None:  # noqa: A002
        pass


@contextmanager
def running(vault: FakeVault) -> Iterator[FakeVault]:
    with vault:
        thread = threading.Thread(target=vault.serve_forever)
        thread.start()
        try:
            yield vault
        finally:
            vault.shutdown()
            thread.join()


@pytest.fixture
def vault() -> Iterator[FakeVault]:
    with running(FakeVault()) as server:
        yield server


def arguments(vault: FakeVault, cache: Path) -> list[str]:
    where = ["--address", vault.url, "--cache", str(cache)]
    return ["credential", "vault", "--role", "web", "--audience", "vault", *where]


async def test_a_busy_vault_is_asked_again(cli: Any, vault: FakeVault, tmp_path: Path) -> None:
    vault.answers.insert(0, (429, {"errors": ["request path rate limit quota exceeded"]}))
    ended = await cli(*arguments(vault, tmp_path))
    assert (ended.status, ended.out, ended.err) == (0, "hvs.granted\n", "")
    assert len(vault.asked) == 2


async def test_a_vault_that_stays_sealed(cli: Any, vault: FakeVault, tmp_path: Path) -> None:
    vault.answers = [(503, {"errors": ["Vault is sealed"]})]
    ended = await cli(*arguments(vault, tmp_path), "--timeout", "1s")
    assert (ended.status, ended.error) == (4, "VAULT_UNAVAILABLE")
    assert vault.asked[0]["jwt"] not in ended.err


async def test_a_secret_is_sent_over_tls_alone(cli: Any, tmp_path: Path) -> None:
    ended = await cli(
        *("credential", "vault", "--audience", "vault", "--cache", str(tmp_path)),
        VAULT_ADDR="http://vault.example:8200",
    )
    assert (ended.status, ended.error) == (2, "ENDPOINT_INVALID")


async def test_the_authority_that_vaults_own_programs_are_told(cli: Any, tmp_path: Path) -> None:
    ca = PrivateCa.create(tmp_path)
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(ca.certificate, ca.key)
    with running(FakeVault(tls)) as vault:
        ended = await cli(*arguments(vault, tmp_path / "cache"))
        assert (ended.status, ended.error) == (4, "CALL_FAILED")
        assert not vault.asked
        ended = await cli(*arguments(vault, tmp_path / "cache"), VAULT_CACERT=str(ca.ca))
        assert (ended.status, ended.out) == (0, "hvs.granted\n"), ended.err


async def test_a_token_that_dies_of_its_use_is_not_kept(
    cli: Any, vault: FakeVault, tmp_path: Path
) -> None:
    await cli(*arguments(vault, tmp_path / "kept"))
    assert list((tmp_path / "kept").glob("*.json"))
    vault.answers = [(200, {"auth": GRANT | {"num_uses": 1}})]
    await cli(*arguments(vault, tmp_path / "not"))
    assert not list((tmp_path / "not").glob("*.json"))


async def test_without_an_identity(
    cli: Any, vault: FakeVault, workload: Workload, tmp_path: Path
) -> None:
    workload.deregister("spiffe://example.org/workload")
    ended = await cli(*arguments(vault, tmp_path))
    assert (ended.status, ended.error) == (3, "PERMISSION_DENIED")
    assert not vault.asked


async def test_a_kept_token_comes_without_what_is_slow_to_load(
    cli: Any, vault: FakeVault, workload: Workload, tmp_path: Path
) -> None:
    words, where = arguments(vault, tmp_path), {"SPIFFE_ENDPOINT_SOCKET": workload.address}
    called, kept = [await asyncio.to_thread(loaded, *words, **where) for _ in range(2)]
    assert "http.client" in called
    assert kept.isdisjoint(SLOW_TO_LOAD)
    assert len(vault.asked) == 1


@pytest.mark.parametrize("operation", ["store", "erase"])
async def test_a_token_helper_stores_and_erases_nothing(cli: Any, operation: str) -> None:
    ended = await cli("credential", "vault", operation, "--audience", "vault", given=b"hvs.theirs")
    assert (ended.status, ended.out) == (0, "")
    assert "hvs.theirs" not in ended.err
