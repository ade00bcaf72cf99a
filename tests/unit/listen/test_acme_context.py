"""Who gets which certificate, with and without a challenge that is pending."""

from __future__ import annotations

import asyncio
import hashlib
import ssl
import time
from collections.abc import AsyncIterator

import pytest
from acme_handshakes import ACME_IDENTIFIER, domain_certificate, shake_hands
from cryptography import x509
from loopback_http import ask, line_to

from spire_bridge.listen.acme.challenges import HTTP_01, TLS_ALPN_01, Challenges
from spire_bridge.listen.acme.context import DomainContext
from spire_bridge.listen.address import ListenAddress
from spire_bridge.listen.http import Request, Response, text
from spire_bridge.listen.server import serving

LOOPBACK = ListenAddress("127.0.0.1", 0)
ACME = ("acme-tls/1",)
CHALLENGE = {"token": "token", "key_authorization": "token.thumbprint"}


def hello(_: Request) -> Response:
    return text(200, "hello")


@pytest.fixture
def challenges() -> Challenges:
    return Challenges()


@pytest.fixture
def context(challenges: Challenges) -> DomainContext:
    context = DomainContext(("a.test", "b.test", "c.test"), challenges)
    for domain in ("a.test", "b.test"):
        context.use(domain, domain_certificate(domain, time.time()).context)
    return context


@pytest.fixture
async def address(context: DomainContext) -> AsyncIterator[ListenAddress]:
    async with serving(hello, LOOPBACK, tls=context) as address:
        yield address


def names(certificate: x509.Certificate) -> list[str]:
    extension = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName)
    return extension.value.get_values_for_type(x509.DNSName)


@pytest.mark.parametrize("name", ["a.test", "b.test", "A.Test"])
async def test_each_domain_has_its_certificate(address: ListenAddress, name: str) -> None:
    shown = await shake_hands(address, name)
    assert names(shown.certificate) == [name.lower()]
    assert shown.protocol == "http/1.1"
    assert shown.answer.endswith(b"hello\n")


async def test_a_new_certificate_takes_effect_at_once(
    address: ListenAddress, context: DomainContext
) -> None:
    before = await shake_hands(address, "a.test")
    context.use("a.test", domain_certificate("a.test", time.time()).context)
    assert (await shake_hands(address, "a.test")).certificate != before.certificate


@pytest.mark.parametrize(
    ("name", "alert"),
    [(None, "UNRECOGNIZED_NAME"), ("x.test", "UNRECOGNIZED_NAME"), ("c.test", "INTERNAL_ERROR")],
)
async def test_others_are_refused_by_an_alert(
    address: ListenAddress, name: str | None, alert: str
) -> None:
    with pytest.raises(ssl.SSLError, match=alert):
        await shake_hands(address, name)


@pytest.mark.parametrize("domain", ["a.test", "c.test"], ids=["to renew", "to obtain"])
async def test_a_ca_is_shown_the_challenge(
    address: ListenAddress, challenges: Challenges, domain: str
) -> None:
    with challenges.answering(TLS_ALPN_01, domain, **CHALLENGE):
        shown = await shake_hands(address, domain, ACME)
        others = [await shake_hands(address, "a.test"), await shake_hands(address, "b.test", ACME)]
    assert shown.protocol == "acme-tls/1"
    assert names(shown.certificate) == [domain]
    proof = shown.certificate.extensions.get_extension_for_oid(ACME_IDENTIFIER)
    assert proof.critical
    assert isinstance(proof.value, x509.UnrecognizedExtension)
    digest = hashlib.sha256(b"token.thumbprint").digest()
    assert proof.value.value == b"\x04\x20" + digest
    assert shown.answer == b"", "acme-tls/1 carries no data"
    assert not any(other.is_challenge for other in others)


async def test_a_hello_in_pieces_is_waited_for(
    address: ListenAddress, challenges: Challenges
) -> None:
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    client = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    client.check_hostname, client.verify_mode = False, ssl.CERT_NONE
    client.set_alpn_protocols(list(ACME))
    handshake = client.wrap_bio(incoming, outgoing, server_hostname="a.test")
    with pytest.raises(ssl.SSLWantReadError):
        handshake.do_handshake()
    with challenges.answering(TLS_ALPN_01, "a.test", **CHALLENGE):
        async with line_to(address) as line:
            sent = outgoing.read()
            for start in range(0, len(sent), 100):
                line.writer.write(sent[start : start + 100])
                await asyncio.sleep(0.005)
            async with asyncio.timeout(5):
                while handshake.selected_alpn_protocol() is None:
                    incoming.write(await line.reader.read(65_536))
                    try:
                        handshake.do_handshake()
                    except ssl.SSLWantReadError:
                        continue
    assert handshake.selected_alpn_protocol() == "acme-tls/1"


async def test_http_01_is_answered_for_its_token_only(challenges: Challenges) -> None:
    path = "/.well-known/acme-challenge/token"
    async with serving(challenges.respond, LOOPBACK) as address:
        assert (await ask(address, path)).status == 404
        with challenges.answering(HTTP_01, "a.test", **CHALLENGE):
            answer = await ask(address, path)
            assert (answer.status, answer.body) == (200, b"token.thumbprint")
            assert (await ask(address, path, "POST")).status == 405
            for other in ("/token", "/.well-known/acme-challenge/", path + "/", path + "x"):
                assert (await ask(address, other)).status == 404
        assert (await ask(address, path)).status == 404
