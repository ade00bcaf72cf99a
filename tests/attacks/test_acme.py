"""Clients that come to a listener's challenges without being the CA."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import AsyncIterator
from contextlib import suppress

import pytest
from acme_handshakes import domain_certificate, shake_hands
from loopback_http import line_to

from spire_bridge.listen.acme.challenges import TLS_ALPN_01, Challenges
from spire_bridge.listen.acme.context import DomainContext
from spire_bridge.listen.address import ListenAddress
from spire_bridge.listen.http import Request, Response, text
from spire_bridge.listen.server import serving

DOMAIN = "issuer.test"
PROOF = {"token": "token", "key_authorization": "token.thumbprint"}


@pytest.fixture
def challenges() -> Challenges:
    return Challenges()


@pytest.fixture
async def address(challenges: Challenges) -> AsyncIterator[ListenAddress]:
    context = DomainContext((DOMAIN,), challenges)
    context.use(DOMAIN, domain_certificate(DOMAIN, time.time()).context)

    def hello(_: Request) -> Response:
        return text(200, "hello")

    async with serving(hello, ListenAddress("127.0.0.1", 0), tls=context) as address:
        yield address


async def test_no_challenge_certificate_without_a_challenge(
    address: ListenAddress, challenges: Challenges
) -> None:
    with challenges.answering(TLS_ALPN_01, DOMAIN, **PROOF):
        assert (await shake_hands(address, DOMAIN, ("acme-tls/1",))).is_challenge
    shown = await shake_hands(address, DOMAIN, ("acme-tls/1",))
    assert not shown.is_challenge
    assert shown.protocol is None


@pytest.mark.parametrize(
    "protocols", [("acme-tls/1", "http/1.1"), ("http/1.1", "acme-tls/1"), ("acme-tls/10",), ()]
)
async def test_only_who_offers_nothing_else_is_taken_for_the_ca(
    address: ListenAddress, challenges: Challenges, protocols: tuple[str, ...]
) -> None:
    with challenges.answering(TLS_ALPN_01, DOMAIN, **PROOF):
        shown = await shake_hands(address, DOMAIN, protocols)
    assert not shown.is_challenge
    assert shown.answer.endswith(b"hello\n")


def damaged(chance: random.Random) -> bytes:
    """A record that says it holds a ClientHello, with lengths that may lead anywhere."""
    body = chance.randbytes(chance.randrange(600))
    claimed = chance.choice((len(body), len(body) + 4, 0, 0xFFFF, chance.randrange(0xFFFF)))
    head = b"\x16\x03\x01" + claimed.to_bytes(2) + b"\x01" + chance.randbytes(3)
    return chance.choice((head + body, body, head[: chance.randrange(9)], head * 3_000))


async def test_what_is_no_hello_harms_nobody(
    address: ListenAddress, challenges: Challenges, caplog: pytest.LogCaptureFixture
) -> None:
    async def send(number: int) -> None:
        with suppress(ConnectionError):
            async with line_to(address) as line:
                line.writer.write(damaged(random.Random(number)))
                await line.writer.drain()
                with suppress(TimeoutError):
                    async with asyncio.timeout(0.05):
                        await line.reader.read()

    with challenges.answering(TLS_ALPN_01, DOMAIN, **PROOF):
        for start in range(0, 300, 50):
            await asyncio.gather(*(send(number) for number in range(start, start + 50)))
        assert (await shake_hands(address, DOMAIN, ("acme-tls/1",))).is_challenge
        assert not (await shake_hands(address, DOMAIN)).is_challenge
    assert not caplog.records
