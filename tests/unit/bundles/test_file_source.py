"""A bundle document in a file: replaced, half-written, garbage, older, missing, back again."""

# ruff: noqa: ASYNC240 — a test may wait for its own small files

from __future__ import annotations

import asyncio
import json
import logging
import os
import time
from collections.abc import AsyncIterator, Callable
from contextlib import aclosing, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from spire_bridge.bundles.file_source import BundleFileMissing, BundleRollback, FileSource
from spire_bridge.bundles.source import SourceState
from spire_bridge.errors import EXIT_UNAVAILABLE
from spire_bridge.files.atomic import write_atomically
from spire_bridge.files.errors import FileFailure
from spire_bridge.jose.key_set import MAX_KEY_SET_BYTES
from spire_bridge.jose.public_key import PublicKey
from spire_bridge.spiffe.bundle import Bundle
from spire_bridge.spiffe.errors import InvalidBundle
from spire_bridge.spiffe.id import TrustDomain
from spire_bridge.spiffe.jwt_bundle import JwtAuthority, JwtBundle
from spire_bridge.spiffe.x509_bundle import X509Bundle

HOME = TrustDomain("example.org")
KEY = PublicKey.from_cryptography(ec.generate_private_key(ec.SECP256R1()).public_key())
SOON = 0.01


def document(*key_ids: str, sequence: int | None = None) -> bytes:
    jwt = JwtBundle.of(HOME, [JwtAuthority(key_id, KEY) for key_id in key_ids])
    return Bundle(HOME, jwt, X509Bundle(HOME), sequence).to_document()


class Watched:
    def __init__(self) -> None:
        self.bundles: list[Bundle] = []
        self.states: list[SourceState] = []

    @property
    def keys(self) -> list[set[str]]:
        return [set(bundle.jwt.authorities) for bundle in self.bundles]

    @property
    def error(self) -> Exception | None:
        return self.states[-1].last_error if self.states else None


@asynccontextmanager
async def watched(path: Path, interval_seconds: float = SOON) -> AsyncIterator[Watched]:
    seen = Watched()
    source = FileSource("file", path, HOME, interval_seconds)

    async def follow() -> None:
        async with aclosing(source.watch(seen.states.append)) as bundles:
            async for bundle in bundles:
                assert seen.states[-1].connected
                assert seen.error is None
                seen.bundles.append(bundle)

    task = asyncio.create_task(follow())
    try:
        yield seen
    finally:
        assert not task.done()  # it never gives up
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task


async def until(condition: Callable[[], Any]) -> None:
    async with asyncio.timeout(5.0):
        while not condition():  # noqa: ASYNC110 — there is nothing to wait on
            await asyncio.sleep(0.005)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    file = tmp_path / "bundle.json"
    file.write_bytes(document("a", sequence=1))
    return file


async def test_it_tells_the_document_at_once_and_each_change(path: Path) -> None:
    async with watched(path) as seen:
        await until(lambda: seen.bundles)
        assert seen.bundles[0] == Bundle.from_document(HOME, path.read_bytes())
        write_atomically(path, document("a", "b", sequence=2))
        await until(lambda: seen.keys == [{"a"}, {"a", "b"}])
        path.write_bytes(document("b", sequence=3))  # in place
        await until(lambda: seen.keys[-1] == {"b"})


async def test_by_default_a_replaced_file_is_noticed_within_a_second(path: Path) -> None:
    source = FileSource("file", path, HOME)
    async with aclosing(source.watch(lambda _: None)) as bundles:
        await anext(bundles)
        waiting = asyncio.ensure_future(anext(bundles))
        await asyncio.sleep(0.1)
        write_atomically(path, document("b", sequence=2))
        replaced_at = time.monotonic()
        assert set((await waiting).jwt.authorities) == {"b"}
        assert time.monotonic() - replaced_at < 1.0


async def test_the_same_size_and_time_do_not_hide_a_replaced_file(path: Path) -> None:
    async with watched(path) as seen:
        await until(lambda: seen.bundles)
        status = path.stat()
        other = path.with_name("other")
        other.write_bytes(document("b", sequence=1))
        os.utime(other, ns=(status.st_atime_ns, status.st_mtime_ns))
        other.replace(path)
        assert path.stat().st_size == status.st_size
        await until(lambda: seen.keys[-1] == {"b"})


async def test_a_switched_symbolic_link_is_noticed(path: Path, tmp_path: Path) -> None:
    """How a Kubernetes volume is updated."""
    (tmp_path / "v1").mkdir()
    (tmp_path / "v2").mkdir()
    path.rename(tmp_path / "v1" / "bundle.json")
    (tmp_path / "v2" / "bundle.json").write_bytes(document("b", sequence=2))
    current = tmp_path / "current"
    current.symlink_to("v1")
    async with watched(current / "bundle.json") as seen:
        await until(lambda: seen.bundles)
        (tmp_path / "next").symlink_to("v2")
        (tmp_path / "next").replace(current)
        await until(lambda: seen.keys[-1] == {"b"})


async def test_a_file_that_is_written_anew_with_the_same_content_is_no_news(path: Path) -> None:
    async with watched(path) as seen:
        await until(lambda: seen.bundles)
        write_atomically(path, path.read_bytes())
        await until(lambda: len(seen.states) == 2)
        await asyncio.sleep(5 * SOON)
        assert len(seen.bundles) == 1
        assert len(seen.states) == 2  # and it was read once


SECRET = {"kty": "oct", "k": "c2VjcmV0", "kid": "s", "use": "jwt-svid"}
TWICE = {**KEY.to_jwk(), "kid": "a", "use": "jwt-svid"}


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"garbage",
        document("a", "b", sequence=2)[:-40],
        b'{"keys": [], "keys": []}',
        b"[]",
        json.dumps({"keys": [SECRET]}).encode(),
        json.dumps({"keys": [TWICE, TWICE]}).encode(),
        json.dumps({"keys": [], "spiffe_sequence": -1}).encode(),
    ],
)
async def test_refused_content_keeps_the_last_good_bundle(path: Path, content: bytes) -> None:
    async with watched(path) as seen:
        await until(lambda: seen.bundles)
        path.write_bytes(content)
        await until(lambda: isinstance(seen.error, InvalidBundle))
        assert seen.states[-1].connected
        assert "c2VjcmV0" not in str(seen.error)
        path.write_bytes(document("a", sequence=1))
        await until(lambda: seen.error is None)
        assert len(seen.bundles) == 1
        path.write_bytes(document("b", sequence=2))
        await until(lambda: seen.keys == [{"a"}, {"b"}])


async def test_an_empty_document_is_told(path: Path) -> None:
    async with watched(path) as seen:
        await until(lambda: seen.bundles)
        write_atomically(path, document(sequence=2))
        await until(lambda: seen.keys == [{"a"}, set()])


async def test_an_older_document_is_refused_as_a_rollback(path: Path) -> None:
    path.write_bytes(document("a", sequence=7))
    async with watched(path) as seen:
        await until(lambda: seen.bundles)
        write_atomically(path, document("old", sequence=6))
        await until(lambda: isinstance(seen.error, BundleRollback))
        assert isinstance(seen.error, BundleRollback)
        assert seen.error.code == "BUNDLE_ROLLBACK"
        assert "6" in seen.error.message
        assert "7" in seen.error.message
        assert seen.keys == [{"a"}]
        write_atomically(path, document("b", sequence=8))
        await until(lambda: seen.keys == [{"a"}, {"b"}])
    async with watched(path) as again:  # another run starts anew
        write_atomically(path, document("old", sequence=6))
        await until(lambda: again.bundles and again.keys[-1] == {"old"})


async def test_a_document_without_sequence_neither_rolls_back_nor_lowers_the_mark(
    path: Path,
) -> None:
    path.write_bytes(document("a", sequence=7))
    async with watched(path) as seen:
        await until(lambda: seen.bundles)
        write_atomically(path, document("b"))
        await until(lambda: seen.keys[-1] == {"b"})
        write_atomically(path, document("old", sequence=6))
        await until(lambda: isinstance(seen.error, BundleRollback))


async def test_a_missing_file_is_an_unavailable_source_and_taken_when_it_appears(
    tmp_path: Path,
) -> None:
    path = tmp_path / "bundle.json"
    async with watched(path) as seen:
        await until(lambda: seen.states)
        assert isinstance(seen.error, BundleFileMissing)
        assert seen.error.exit_status == EXIT_UNAVAILABLE
        assert not seen.states[-1].connected
        write_atomically(path, document("a"))
        await until(lambda: seen.keys == [{"a"}])


async def test_a_file_that_goes_and_comes_back_is_told_again_even_unchanged(path: Path) -> None:
    async with watched(path) as seen:
        await until(lambda: seen.bundles)
        path.rename(path.with_suffix(".away"))
        await until(lambda: isinstance(seen.error, BundleFileMissing))
        path.with_suffix(".away").rename(path)
        await until(lambda: seen.keys == [{"a"}, {"a"}])


@pytest.mark.parametrize("make", [Path.mkdir, os.mkfifo], ids=["folder", "pipe"])
async def test_what_is_no_file_is_not_read(tmp_path: Path, make: Callable[[Path], None]) -> None:
    path = tmp_path / "bundle.json"
    make(path)
    async with watched(path) as seen:
        await until(lambda: seen.states)
        assert isinstance(seen.error, FileFailure)
        assert not seen.states[-1].connected


@pytest.mark.parametrize("name", ["a\0b", "x" * 300])
async def test_a_name_that_no_file_has(tmp_path: Path, name: str) -> None:
    async with watched(tmp_path / name) as seen:
        await until(lambda: seen.states)
        assert isinstance(seen.error, FileFailure)


async def test_a_huge_file_is_not_read(path: Path) -> None:
    async with watched(path) as seen:
        await until(lambda: seen.bundles)
        os.truncate(path, MAX_KEY_SET_BYTES + 1)
        await until(lambda: isinstance(seen.error, FileFailure))
        assert "larger" in str(seen.error)
        write_atomically(path, document("b", sequence=2))
        await until(lambda: seen.keys[-1] == {"b"})


async def test_a_key_that_is_left_out_is_logged(
    path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path.write_text(json.dumps({"keys": [{"kty": "OKP", "kid": "x", "use": "jwt-svid"}]}))
    with caplog.at_level(logging.WARNING):
        async with watched(path) as seen:
            await until(lambda: seen.bundles)
    (record,) = [r for r in caplog.records if r.message == "key was left out"]
    assert record.__dict__["source"] == "file"


async def test_no_version_of_a_file_that_is_replaced_without_pause_is_half_read(
    path: Path,
) -> None:
    async with watched(path, 0.0) as seen:
        for sequence in range(2, 60):
            write_atomically(path, document(f"k{sequence}", sequence=sequence))
            await asyncio.sleep(0)
        await until(lambda: seen.bundles and seen.keys[-1] == {"k59"})
        assert not [state for state in seen.states if state.last_error]
        sequences = [bundle.sequence or 0 for bundle in seen.bundles]
        assert sequences == sorted(sequences)
