"""The certificate is renewed, doesn't match its key, is gone, and expires."""

from __future__ import annotations

from pathlib import Path

import pytest
from cryptography import x509
from operated_issuer import Operate, OperatedIssuer
from readers.load import load_on
from trust_domains.under_test import AgentUnderTest, eventually
from web_certificates import ServerPair, WebAuthority, replace_file

pytestmark = pytest.mark.timeout(120)

TAKEN, NOT_TAKEN = "certificate was taken up", "certificate is not taken up"


async def test_readers_do_not_notice_what_becomes_of_the_certificate_files(
    operate: Operate, agent: AgentUnderTest, tmp_path: Path
) -> None:
    authority = WebAuthority(tmp_path)
    first, renewed, expired, last = (authority.issue(expired=number == 2) for number in range(4))
    certificate, key = tmp_path / "tls.pem", tmp_path / "tls.key"
    certificate.write_bytes(first.certificate)
    key.write_bytes(first.key)
    issuer = await operate(
        {"name": "east", "workload_api": {"address": agent.address}},
        tls={"certificate": str(certificate), "key": str(key), "interval_seconds": 0.2},
        ca_file=authority.file,
    )
    async with load_on(issuer.place, await issuer.key_ids()) as load:
        assert await serial_number(issuer) == first.serial_number

        replace_file(certificate, renewed.certificate)  # without its key, which is late
        await issuer.until_logged(NOT_TAKEN, 1)
        assert await serial_number(issuer) == first.serial_number
        await load.goes_on()
        replace_file(key, renewed.key)
        await until_shown(issuer, renewed)
        await load.goes_on()

        certificate.unlink()
        key.unlink()
        await issuer.until_logged(NOT_TAKEN, 2)
        assert await serial_number(issuer) == renewed.serial_number
        await load.goes_on()

        async with load.unverified():
            replace_file(key, expired.key)
            replace_file(certificate, expired.certificate)
            await until_shown(issuer, expired)
            await load.goes_on()
            replace_file(key, last.key)
            replace_file(certificate, last.certificate)
            await until_shown(issuer, last)
        await load.goes_on()


async def until_shown(issuer: OperatedIssuer, pair: ServerPair) -> None:
    """Returns once new connections see this certificate."""

    async def shown() -> bool | None:
        return await serial_number(issuer) == pair.serial_number or None

    await eventually(shown)


async def serial_number(issuer: OperatedIssuer) -> int:
    """Of the certificate that a new connection sees."""
    async with issuer.place.line() as line:
        shown = line.writer.get_extra_info("ssl_object").getpeercert(binary_form=True)
    return x509.load_der_x509_certificate(shown).serial_number
