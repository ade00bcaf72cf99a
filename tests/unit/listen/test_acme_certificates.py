"""What is refused before a CA is asked, kept between starts, and made of a CA's refusal."""

from __future__ import annotations

import asyncio
import datetime
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
from acme_handshakes import domain_certificate, pem_pair
from busy_ca import busy_ca
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)

from spire_bridge.files.errors import FileFailure
from spire_bridge.listen.acme.authority import AcmeAuthority, AcmeFailure
from spire_bridge.listen.acme.cache import Cache
from spire_bridge.listen.acme.certificate import DomainCertificate, InvalidDomain
from spire_bridge.listen.acme.certificates import (
    AcmeCertificates,
    AcmeUnavailable,
    Pace,
    TermsNotAgreed,
)
from spire_bridge.listen.acme.challenges import Challenges

DOMAIN = "a.test"
DAY = 24 * 3600.0
LIMITED = {
    "type": "urn:ietf:params:acme:error:rateLimited",
    "detail": "too many registrations",
    "status": 429,
}


def certificates(folder: Path | None = None, **options: Any) -> AcmeCertificates:
    settings: dict[str, Any] = {"folder": folder, "terms_agreed": True, **options}
    return AcmeCertificates((DOMAIN,), **settings)


@asynccontextmanager
async def followed(acme: AcmeCertificates) -> AsyncIterator[None]:
    following = asyncio.create_task(acme.follow())
    try:
        yield
    finally:
        following.cancel()
        with suppress(asyncio.CancelledError):
            await following


async def until(condition: Any) -> None:
    async with asyncio.timeout(10):
        while not condition():  # noqa: ASYNC110 — there is nothing to wait on
            await asyncio.sleep(0.01)


def test_terms_that_are_not_agreed_to_leave_no_trace(tmp_path: Path) -> None:
    with pytest.raises(TermsNotAgreed, match="letsencrypt"):
        certificates(tmp_path / "acme", terms_agreed=False)
    assert not (tmp_path / "acme").exists()


def test_a_missing_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "spire_bridge.listen.acme.authority")
    monkeypatch.setitem(sys.modules, "acme", None)
    with pytest.raises(AcmeUnavailable, match="need the package acme") as caught:
        certificates()
    assert caught.value.hint == "pip install 'spire-bridge[acme]'"


@pytest.mark.parametrize(
    "domain", ["", "*.a.test", "../a.test", "a/b", "A.test", "a..test", "ä.test", "a.test\n"]
)
def test_what_no_ca_certifies_is_refused(domain: str) -> None:
    with pytest.raises(InvalidDomain):
        AcmeCertificates((domain,), folder=None, terms_agreed=True)


def test_a_folder_that_cant_be_made_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(FileFailure, match="file/acme can't be made: Not a directory"):
        certificates(tmp_path / "file" / "acme")


def test_a_certificate_is_due_with_a_third_of_its_life_left_or_thirty_days() -> None:
    now = time.time()
    for lifetime, left in ((90, 30), (6, 2), (800, 30)):
        pair = pem_pair(DOMAIN, days=lifetime)
        certificate = DomainCertificate.parse(DOMAIN, *pair, now=now)
        before = (certificate.expires_at - certificate.renewal_at(0.0)) / DAY
        assert before == pytest.approx(left, abs=0.001)
        put_off = certificate.renewal_at(1.0) - certificate.renewal_at(0.0)
        assert put_off == pytest.approx(3600, abs=1)


def test_what_was_kept_is_taken_up_again(tmp_path: Path) -> None:
    cache, now = Cache(tmp_path), time.time()
    kept = domain_certificate(DOMAIN, now)
    cache.keep(kept)
    assert cache.certificate(DOMAIN, now=now) == kept
    assert cache.account_key().private_numbers() == cache.account_key().private_numbers()
    acme = certificates(tmp_path)
    assert acme.expiries() == {DOMAIN: kept.expires_at}
    [status] = acme.status()
    assert (status.domain, status.expires_at) == (DOMAIN, kept.expires_at)


def test_pkcs8_keys_are_taken_up_as_well(tmp_path: Path) -> None:
    """What another client of ACME left, put together by hand."""
    key_pem, chain_pem = pem_pair(DOMAIN)
    key = load_pem_private_key(key_pem, password=None)
    pkcs8 = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    (tmp_path / DOMAIN).write_bytes(pkcs8 + chain_pem)
    assert Cache(tmp_path).certificate(DOMAIN, now=time.time()) is not None


def unusable() -> dict[str, bytes]:
    key_pem, chain_pem = pem_pair(DOMAIN)
    p384 = ec.generate_private_key(ec.SECP384R1())
    return {
        "empty": b"",
        "no certificate": key_pem,
        "no key": chain_pem,
        "half a certificate": key_pem + chain_pem[:200],
        "half a key": key_pem[:60] + chain_pem,
        "another key": key_pem + pem_pair(DOMAIN)[1],
        "another domain": b"".join(pem_pair("b.test")),
        "expired": b"".join(pem_pair(DOMAIN, days=0)),
        "key of another kind": key_pem + pem_pair(DOMAIN, key=p384)[1],
        "garbage": b"\x00\xff" * 100,
    }


@pytest.mark.parametrize("name", list(unusable()))
def test_what_cant_be_used_is_said_and_left(
    name: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / DOMAIN).write_bytes(unusable()[name])
    now = time.time() + (1 if name == "expired" else 0)
    assert Cache(tmp_path).certificate(DOMAIN, now=now) is None
    [record] = caplog.records
    assert record.getMessage() == "kept certificate is not used"
    assert "PRIVATE" not in str(vars(record))


def authority(directory_url: str) -> AcmeAuthority:
    return AcmeAuthority(directory_url, "", ec.generate_private_key(ec.SECP256R1()))


def test_a_refusal_has_the_cas_own_words_and_its_wish() -> None:
    with busy_ca(problem=LIMITED, retry_after="1234") as ca, pytest.raises(AcmeFailure) as caught:
        authority(ca.directory_url).obtain(DOMAIN, "http-01", Challenges(), now=0)
    assert caught.value.message.endswith("for a.test: rateLimited: too many registrations")
    assert caught.value.hint == "wait, or try with the CA's staging directory"
    assert caught.value.retry_after_seconds == 1234


@pytest.mark.parametrize(
    ("sent", "at_most"), [("Fri, 01 Jan 2100 00:00:00 GMT", DAY), ("soon", None), ("-5", None)]
)
def test_any_wish_is_borne(sent: str, at_most: float | None) -> None:
    with busy_ca(problem=LIMITED, retry_after=sent) as ca, pytest.raises(AcmeFailure) as caught:
        authority(ca.directory_url).obtain(DOMAIN, "http-01", Challenges(), now=0)
    assert caught.value.retry_after_seconds == at_most


async def test_a_wish_puts_off_the_next_try() -> None:
    with busy_ca(problem=LIMITED, retry_after="3600") as ca:
        acme = certificates(directory_url=ca.directory_url, pace=Pace(first_retry=0.001))
        async with followed(acme):
            await until(lambda: acme.status()[0].last_error)
            await asyncio.sleep(0.2)
        assert ca.asked.count("/newAccount") == 1


async def test_failures_are_tried_again_without_a_wish() -> None:
    with busy_ca(problem=LIMITED) as ca:
        acme = certificates(
            directory_url=ca.directory_url, pace=Pace(first_retry=0.001, last_retry=0.01)
        )
        async with followed(acme):
            await until(lambda: ca.asked.count("/newAccount") > 3)


async def test_what_another_process_obtained_is_taken_up(tmp_path: Path) -> None:
    with busy_ca(problem=LIMITED) as ca:
        acme = certificates(
            tmp_path, directory_url=ca.directory_url, pace=Pace(first_retry=0.01, last_retry=0.01)
        )
        async with followed(acme):
            await until(lambda: acme.status()[0].last_error)
            other = domain_certificate(DOMAIN, time.time())
            Cache(tmp_path).keep(other)
            await until(lambda: acme.status()[0].expires_at)
        assert acme.status()[0].last_error is None


def window(hours: float) -> tuple[str, str]:
    start = datetime.datetime.now(datetime.UTC) + datetime.timedelta(hours=hours)
    end = start + datetime.timedelta(hours=1)
    return start.isoformat(timespec="seconds"), end.isoformat(timespec="seconds")


async def test_a_ca_may_wish_for_an_early_renewal(tmp_path: Path) -> None:
    """RFC 9773: as Let's Encrypt does before it revokes certificates."""
    Cache(tmp_path).keep(domain_certificate(DOMAIN, time.time()))
    with busy_ca(problem=LIMITED, window=window(-2)) as ca:
        acme = certificates(tmp_path, directory_url=ca.directory_url)
        async with followed(acme):
            await until(lambda: "/newAccount" in ca.asked)
        assert acme.status()[0].expires_at is not None


async def test_a_ca_cant_put_a_renewal_off(tmp_path: Path) -> None:
    kept = domain_certificate(DOMAIN, time.time())
    Cache(tmp_path).keep(kept)
    clock = [kept.renewal_at(0.0) - 1]
    with busy_ca(problem=LIMITED, window=window(24 * 365)) as ca:
        acme = certificates(
            tmp_path,
            directory_url=ca.directory_url,
            now=lambda: clock[0],
            pace=Pace(check=0.01),
        )
        async with followed(acme):
            await until(lambda: any(path.startswith("/renewalInfo/") for path in ca.asked))
            assert "/newAccount" not in ca.asked
            clock[0] = kept.renewal_at(1.0)
            await until(lambda: "/newAccount" in ca.asked)


async def test_a_good_certificate_is_left_alone(tmp_path: Path) -> None:
    Cache(tmp_path).keep(domain_certificate(DOMAIN, time.time()))
    with busy_ca(problem=LIMITED, window=window(24)) as ca:
        acme = certificates(tmp_path, directory_url=ca.directory_url)
        async with followed(acme):
            await until(lambda: any(path.startswith("/renewalInfo/") for path in ca.asked))
            await asyncio.sleep(0.1)
        assert ca.asked.count("/dir") == 1
        assert "/newAccount" not in ca.asked


def test_an_answer_that_is_not_acme_is_said() -> None:
    for path, reason in (("/elsewhere", "HTTP status 404"), ("/empty", "not ACME (KeyError)")):
        with busy_ca() as ca:
            url = ca.directory_url.replace("/dir", path)
            with pytest.raises(AcmeFailure) as caught:
                authority(url).obtain(DOMAIN, "http-01", Challenges(), now=0)
        assert reason in caught.value.message
        assert caught.value.hint == "is that the URL of a CA's directory?"
