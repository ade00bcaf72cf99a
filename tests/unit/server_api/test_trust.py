"""What a server is trusted by: the operator's file, then what it told, over restarts too."""

# ruff: noqa: ASYNC240 — a test may write its own small files

from __future__ import annotations

import json
import logging
import stat
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from spiffe_authority import HOME, Domain

from spire_bridge.errors import BridgeError
from spire_bridge.files.errors import FileFailure
from spire_bridge.server_api.trust import BootstrappedTrust, read_x509_bundle
from spire_bridge.spiffe.bundle import Bundle
from spire_bridge.spiffe.errors import InvalidBundle
from spire_bridge.spiffe.id import TrustDomain
from spire_bridge.spiffe.jwt_bundle import JwtBundle
from spire_bridge.spiffe.x509_bundle import X509Bundle

Restarted = Callable[[], AbstractAsyncContextManager[BootstrappedTrust]]

FIRST, SECOND, THIRD = (Domain().bundle for _ in range(3))
BOTH = X509Bundle(HOME, FIRST.authorities + SECOND.authorities)


def document(bundle: X509Bundle) -> bytes:
    return Bundle(bundle.trust_domain, JwtBundle.of(bundle.trust_domain, []), bundle).to_document()


@pytest.fixture
def bootstrap(tmp_path: Path) -> Path:
    path = tmp_path / "bootstrap.pem"
    path.write_bytes(FIRST.pem())
    return path


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    return tmp_path / "cache.json"


@pytest.fixture
def restarted(bootstrap: Path, cache: Path) -> Restarted:
    @asynccontextmanager
    async def start() -> AsyncIterator[BootstrappedTrust]:
        async with BootstrappedTrust(HOME, bootstrap, cache) as trust:
            yield trust

    return start


def trusted(trust: BootstrappedTrust) -> X509Bundle:
    credentials = trust.credentials()
    assert credentials.svid is None
    return credentials.bundle


@pytest.mark.parametrize("data", [BOTH.pem(), document(BOTH), b"\n" + document(BOTH)])
def test_pem_and_documents_are_read(data: bytes) -> None:
    assert read_x509_bundle(HOME, data, what="file") == BOTH


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "neither PEM"),
        (b"garbage", "neither PEM"),
        (b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", "neither PEM"),
        (FIRST.pem()[:-40], "neither PEM"),
        (b"{", "not valid JSON"),
        (document(X509Bundle(HOME)), "no X.509 authority"),
    ],
)
def test_what_is_no_bundle(data: bytes, message: str) -> None:
    with pytest.raises(InvalidBundle, match=message) as caught:
        read_x509_bundle(HOME, data, what="/etc/file")
    assert "/etc/file" in caught.value.message


@given(st.binary(max_size=200) | st.binary(max_size=50).map(b"{".__add__))
def test_any_file_is_a_bundle_or_an_error(data: bytes) -> None:
    with pytest.raises(InvalidBundle):
        read_x509_bundle(HOME, data, what="file")


async def test_the_file_counts_until_the_server_has_told(restarted: Restarted) -> None:
    async with restarted() as trust:
        assert trusted(trust) == FIRST
        trust.learn(BOTH)
        assert trusted(trust) == BOTH
        trust.learn(SECOND)
        assert trusted(trust) == SECOND  # and the revoked one of the file does not come back


async def test_what_the_server_told_outlives_a_restart(restarted: Restarted, cache: Path) -> None:
    async with restarted() as trust:
        trusted(trust)
        trust.learn(SECOND)
    assert stat.S_IMODE(cache.stat().st_mode) == 0o600
    async with restarted() as trust:
        assert trusted(trust) == SECOND


async def test_without_a_cache_the_file_counts_again(bootstrap: Path) -> None:
    for _ in range(2):
        async with BootstrappedTrust(HOME, bootstrap, None) as trust:
            assert trusted(trust) == FIRST
            trust.learn(SECOND)
    assert [path.name for path in bootstrap.parent.iterdir()] == [bootstrap.name]


@pytest.mark.parametrize("restart", [False, True])
async def test_a_replaced_file_counts_again(
    restarted: Restarted, bootstrap: Path, restart: bool
) -> None:
    async with restarted() as trust:
        trusted(trust)
        trust.learn(SECOND)
        bootstrap.write_bytes(THIRD.pem())
        if not restart:
            assert trusted(trust) == THIRD
    async with restarted() as trust:
        assert trusted(trust) == THIRD


async def test_nothing_is_written_while_nothing_changes(restarted: Restarted, cache: Path) -> None:
    async with restarted() as trust:
        trusted(trust)
        trust.learn(FIRST)
        assert not cache.exists()
        trust.learn(BOTH)
        written = cache.stat().st_ino
        trust.learn(X509Bundle(HOME, BOTH.authorities[::-1]))  # in another order
        assert cache.stat().st_ino == written


async def test_a_server_that_tells_no_authority_keeps_its_own(restarted: Restarted) -> None:
    async with restarted() as trust:
        trusted(trust)
        trust.learn(X509Bundle(HOME))
        assert trusted(trust) == FIRST


@pytest.mark.parametrize("content", [None, b"garbage"])
async def test_a_file_that_is_lost_or_broken_later_changes_nothing(
    restarted: Restarted,
    bootstrap: Path,
    content: bytes | None,
    caplog: pytest.LogCaptureFixture,
) -> None:
    async with restarted() as trust:
        trusted(trust)
        trust.learn(SECOND)
        bootstrap.unlink()
        if content is not None:
            bootstrap.write_bytes(content)
        assert trusted(trust) == SECOND
    assert "bootstrap bundle is not used" in caplog.messages


@pytest.mark.parametrize(("content", "kind"), [(None, FileFailure), (b"garbage", InvalidBundle)])
async def test_without_anything_to_trust_by_the_file_is_the_reason(
    restarted: Restarted, bootstrap: Path, content: bytes | None, kind: type[BridgeError]
) -> None:
    bootstrap.unlink()
    if content is not None:
        bootstrap.write_bytes(content)
    async with restarted() as trust:
        with pytest.raises(kind) as caught:
            trust.credentials()
        assert str(bootstrap) in caught.value.message
        bootstrap.write_bytes(FIRST.pem())
        assert trusted(trust) == FIRST  # it may come later


@pytest.mark.parametrize(
    "change",
    [
        lambda _: b"garbage",
        lambda _: b"{}",
        lambda copy: json.dumps({**copy, "trust_domain": "other.example"}).encode(),
        lambda copy: json.dumps({**copy, "x509_authorities": ""}).encode(),
        lambda copy: json.dumps({**copy, "bootstrap_sha256": 1}).encode(),
    ],
)
async def test_a_broken_cache_is_not_used(
    restarted: Restarted,
    cache: Path,
    change: Callable[[dict[str, Any]], bytes],
    caplog: pytest.LogCaptureFixture,
) -> None:
    async with restarted() as trust:
        trusted(trust)
        trust.learn(SECOND)
    cache.write_bytes(change(json.loads(cache.read_bytes())))
    async with restarted() as trust:
        assert trusted(trust) == FIRST
    assert "bundle cache is not used" in caplog.messages


async def test_a_cache_that_cannot_be_written_is_logged(
    bootstrap: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with BootstrappedTrust(HOME, bootstrap, tmp_path / "none" / "cache") as trust:
        trusted(trust)
        trust.learn(SECOND)
        assert trusted(trust) == SECOND
    (record,) = [r for r in caplog.records if r.levelno == logging.ERROR]
    assert record.message == "bundle cache was not written"


async def test_a_document_is_of_the_trust_domain_that_is_configured(tmp_path: Path) -> None:
    """A document names none; the ID of the server decides, at the handshake."""
    path = tmp_path / "bundle.json"
    path.write_bytes(document(FIRST))
    async with BootstrappedTrust(TrustDomain("other.example"), path, None) as trust:
        assert trusted(trust).trust_domain == TrustDomain("other.example")
