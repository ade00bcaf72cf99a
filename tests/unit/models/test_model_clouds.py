"""The model clouds on sockets: who answers where, TLS, and a loop of their own."""

from __future__ import annotations

import asyncio
import logging
import ssl
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from urllib.parse import urlencode, urlsplit

import pytest
from clouds_under_test import ISSUER, SUBJECT, Issuer, token
from loopback_http import Answer, line_to

from spire_bridge.cloud.issuer_documents import IssuerDocuments
from spire_bridge.listen.address import ListenAddress
from spire_bridge.models.apart import apart
from spire_bridge.models.certificate import LoopbackCertificate
from spire_bridge.models.issuer_cache import IssuerCache
from spire_bridge.models.model_clouds import ModelAddresses, model_clouds
from spire_bridge.models.surroundings import Surroundings
from spire_bridge.service.dev.cloud_accounts import ROLE_ARN, TENANT, Descriptions

ENTRA = f"/{TENANT}/oauth2/v2.0/token"
STS = {
    "Action": "AssumeRoleWithWebIdentity",
    "Version": "2011-06-15",
    "RoleArn": ROLE_ARN,
    "RoleSessionName": "session",
}


@pytest.fixture
def certificate(tmp_path: Path) -> LoopbackCertificate:
    return LoopbackCertificate.create(tmp_path)


@pytest.fixture
async def addresses(certificate: LoopbackCertificate) -> AsyncIterator[ModelAddresses]:
    around = Surroundings(IssuerCache(Issuer().read))
    async with model_clouds(
        Descriptions.of(ISSUER, SUBJECT).trust(), around, certificate
    ) as served:
        yield served


async def post(
    url: str, path: str, body: bytes = b"", trusted: LoopbackCertificate | None = None
) -> Answer:
    address = ListenAddress.parse(urlsplit(url).netloc)
    tls = ssl.create_default_context(cafile=trusted.authority) if trusted else None
    if tls is not None:
        tls.verify_flags |= ssl.VERIFY_X509_STRICT  # as is usual from Python 3.13 on
    head = (
        f"POST {path} HTTP/1.1\r\nhost: {urlsplit(url).netloc}\r\ncontent-length: {len(body)}\r\n"
        "content-type: application/x-www-form-urlencoded\r\n\r\n"
    )
    async with line_to(address, tls) as line:
        return await line.send(head.encode() + body)


async def test_each_cloud_answers_in_its_own_way(
    addresses: ModelAddresses, certificate: LoopbackCertificate
) -> None:
    begins = {"/": b"<ErrorResponse ", "/v1/token": b'{"error": ', "/sessions": b'{"message": '}
    for path, begin in begins.items():
        assert (await post(addresses.http, path)).body.startswith(begin)
        assert (await post(addresses.https, path, trusted=certificate)).body.startswith(begin)
    answer = await post(addresses.https, ENTRA, trusted=certificate)
    assert answer.json()["error_codes"] == [900144]


async def test_each_answer_says_that_it_is_a_models(
    addresses: ModelAddresses, certificate: LoopbackCertificate
) -> None:
    for path in ("/", "/v1/token", "/sessions", ENTRA, "/other"):
        answer = await post(addresses.https, path, trusted=certificate)
        assert answer.headers["server"] == "spire-bridge, a model made from documentation"


async def test_entra_answers_over_tls_alone(addresses: ModelAddresses) -> None:
    assert (await post(addresses.http, ENTRA)).status == 404
    assert (await post(addresses.http, "/other")).status == 404


async def test_nobody_else_vouches_for_the_certificate(addresses: ModelAddresses) -> None:
    address = ListenAddress.parse(urlsplit(addresses.https).netloc)
    with pytest.raises(ssl.SSLCertVerificationError):
        async with line_to(address, ssl.create_default_context()):
            pass


def test_the_key_is_for_its_owner_alone(certificate: LoopbackCertificate) -> None:
    assert certificate.key.stat().st_mode & 0o777 == 0o600
    assert b"PRIVATE" not in certificate.authority.read_bytes()


async def test_a_huge_form_is_refused(addresses: ModelAddresses) -> None:
    assert (await post(addresses.http, "/", b"a" * 100_000)).status == 413


async def test_who_waits_for_an_issuer_holds_up_nobody_here(
    certificate: LoopbackCertificate,
) -> None:
    """The issuer may even be served by the loop that the question comes from."""
    release, asked = threading.Event(), asyncio.Event()
    loop = asyncio.get_running_loop()

    def read(issuer: str) -> IssuerDocuments:
        loop.call_soon_threadsafe(asked.set)
        assert release.wait(10)
        return IssuerDocuments.unreachable("away")

    around = Surroundings(IssuerCache(read))
    async with model_clouds(
        Descriptions.of(ISSUER, SUBJECT).trust(), around, certificate
    ) as served:
        body = urlencode({**STS, "WebIdentityToken": token(exp=2**31, iat=0)}).encode()
        asking = asyncio.create_task(post(served.http, "/", body))
        await asked.wait()
        release.set()
        assert b"IDPCommunicationError" in (await asking).body


async def test_tokens_and_credentials_are_in_no_log(
    addresses: ModelAddresses, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    secret = token(exp=2**31, iat=0)
    answer = await post(
        addresses.http, "/", urlencode({**STS, "WebIdentityToken": secret}).encode()
    )
    assert answer.status == 200
    logged = "".join(str(vars(record)) for record in caplog.records)
    assert secret not in logged
    assert "ASIA" not in logged


async def test_what_fails_over_there_is_raised_here() -> None:
    @asynccontextmanager
    async def failing() -> AsyncIterator[None]:
        raise OSError("taken")
        yield

    with pytest.raises(OSError, match="taken"):
        async with apart(failing):
            pass


async def test_what_is_begun_over_there_ends_with_the_context() -> None:
    seen: list[str] = []

    @asynccontextmanager
    async def noted() -> AsyncIterator[str]:
        seen.append(threading.current_thread().name)
        yield "value"
        seen.append("ended")

    async def leave_in_trouble() -> None:
        async with apart(noted) as value:
            raise RuntimeError(value)

    with pytest.raises(RuntimeError, match="value"):
        await leave_in_trouble()
    assert seen[0] != threading.current_thread().name
    assert seen[1:] == ["ended"]
