"""The bundle file is damaged in every way, and replaced by an older one."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from operated_issuer import Operate
from readers.findings import Absence
from readers.load import load_on
from trust_domains.under_test import TrustDomainUnderTest, eventually
from web_certificates import replace_file

from spire_bridge.server_api.client import ServerClient
from spire_bridge.spiffe.bundle import Bundle

pytestmark = pytest.mark.timeout(120)


def emptied(file: Path) -> None:
    os.truncate(file, 0)


def cut_in_half(file: Path) -> None:
    os.truncate(file, file.stat().st_size // 2)


def without_its_last_byte(file: Path) -> None:
    os.truncate(file, file.stat().st_size - 1)


def garbage(file: Path) -> None:
    replace_file(file, os.urandom(2048))


def another_document(file: Path) -> None:
    replace_file(file, b'{"issuer": "https://evil.example", "jwks_uri": "https://evil.example"}')


def endless(file: Path) -> None:
    replace_file(file, b"[" * (8 * 1024 * 1024))


def removed(file: Path) -> None:
    file.unlink()


DAMAGES = (
    (emptied, "BUNDLE_INVALID"),
    (cut_in_half, "BUNDLE_INVALID"),
    (without_its_last_byte, "BUNDLE_INVALID"),
    (garbage, "BUNDLE_INVALID"),
    (another_document, "BUNDLE_INVALID"),
    (endless, "FILE_FAILED"),
    (removed, "BUNDLE_FILE_MISSING"),
)


async def test_a_bad_bundle_file_changes_nothing_and_a_good_one_is_taken_again(
    trust_domain: TrustDomainUnderTest, operate: Operate, tmp_path: Path
) -> None:
    file = tmp_path / "bundle.json"
    first = await bundle_of(trust_domain)
    file.write_bytes(first.to_document())
    source = {"name": "published", "file": {"path": str(file), "interval_seconds": 0.1}}
    issuer = await operate(source, socket=tmp_path / "issuer.sock")
    old = await issuer.key_ids()
    async with load_on(issuer.place, old) as load:
        for damage, code in DAMAGES:
            damage(file)
            assert await issuer.trouble("published") == code
            replace_file(file, first.to_document())
            await issuer.until_connected("published")

        new = await trust_domain.prepare_jwt()
        second = await bundle_of(trust_domain, with_key=new)
        await load.expect(old, old | {new})
        replace_file(file, second.to_document())
        await issuer.until_served(lambda served: served == old | {new})
        await load.expect(old | {new})

        replace_file(file, first.to_document())
        assert await issuer.trouble("published") == "BUNDLE_ROLLBACK"
        await load.goes_on()

        garbage(file)
        before = await issuer.keys()
        async with load.absence(Absence.STOPPED):
            await issuer.stop()
            await issuer.start()
            first_answer = await issuer.keys()
        assert (first_answer.status, first_answer.body) == (200, before.body)
        assert await issuer.trouble("published") == "BUNDLE_INVALID"
        await load.goes_on()


async def bundle_of(trust_domain: TrustDomainUnderTest, *, with_key: str | None = None) -> Bundle:
    """What the server tells, once it tells of that key."""
    async with ServerClient(trust_domain.server_address) as client:

        async def told() -> Bundle | None:
            bundle = await client.get_bundle()
            return bundle if with_key is None or with_key in bundle.jwt.authorities else None

        return await eventually(told)
