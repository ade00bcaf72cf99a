"""The same judgements by every verifier: good tokens of a trust domain in, all others out."""

from __future__ import annotations

import itertools
import re
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from pathlib import Path

import pytest
import pytest_asyncio
from trust_domains.under_test import eventually
from verifiers import forgeries
from verifiers.issuers import AUDIENCE, IssuerUnderTest, key_id, sandbox_issuer
from verifiers.peer import Judge, Peer, started
from verifiers.private_ca import PrivateCa

from spire_bridge.sandbox.jwt_authority import KeyType

PEERS = ["openbao", "envoy", "seaweedfs", "go_oidc", "kubernetes", "jose", "pyjwt"]

# The first test of a peer may have to fetch and to build it.
pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(600)]

_serial = itertools.count(1)

Start = Callable[[Peer], Awaitable[Judge]]


@pytest.fixture(params=PEERS)
def peer(request: pytest.FixtureRequest) -> Peer:
    found: Peer = request.getfixturevalue(request.param)
    return found


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def running(
    secure_issuer: IssuerUnderTest, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Start]:
    """Gives the one verifier of each peer that all tests of an issuer share."""
    async with AsyncExitStack() as stack:
        judges: dict[int, Judge] = {}

        async def start(peer: Peer) -> Judge:
            if id(peer) not in judges:
                folder = tmp_path_factory.mktemp("verifier")
                verifier = started(peer, secure_issuer, folder)
                judges[id(peer)] = await stack.enter_async_context(verifier)
            return judges[id(peer)]

        yield start


@pytest_asyncio.fixture(loop_scope="module")
async def judge(running: Start, peer: Peer) -> Judge:
    return await running(peer)


async def accepts(judge: Judge, token: str) -> None:
    verdict = await judge(token)
    assert verdict.accepted, verdict.reason


async def refuses(judge: Judge, token: str, reason: str) -> None:
    verdict = await judge(token)
    assert not verdict.accepted
    assert re.search(reason, verdict.reason), verdict.reason


class TestOverEitherTrustDomain:
    async def test_a_token_from_the_agent_is_accepted(
        self, secure_issuer: IssuerUnderTest, judge: Judge
    ) -> None:
        await accepts(judge, await secure_issuer.token(AUDIENCE))

    async def test_a_token_for_several_audiences_is_accepted(
        self, secure_issuer: IssuerUnderTest, judge: Judge
    ) -> None:
        await accepts(judge, await secure_issuer.token("another", AUDIENCE))

    async def test_a_token_for_another_audience_is_refused(
        self, secure_issuer: IssuerUnderTest, peer: Peer, judge: Judge
    ) -> None:
        await refuses(judge, await secure_issuer.token("another"), peer.reasons.audience)

    async def test_another_workload_is_refused(
        self, secure_issuer: IssuerUnderTest, peer: Peer, judge: Judge
    ) -> None:
        token = await secure_issuer.token(AUDIENCE, path="/other")
        await refuses(judge, token, peer.reasons.subject)

    async def test_a_token_is_refused_once_it_has_expired(
        self, secure_issuer: IssuerUnderTest, peer: Peer, tmp_path: Path
    ) -> None:
        brief = secure_issuer.spiffe_id("/brief")
        async with started(peer, secure_issuer, tmp_path, subject=brief) as judge:
            token = await secure_issuer.expired_token()

            async def refusal() -> str | None:
                verdict = await judge(token)
                return None if verdict.accepted else verdict.reason

            reason = await eventually(refusal)  # Envoy allows for a second at least
            assert re.search(peer.reasons.expired, reason), reason

    @pytest.mark.parametrize("forgery", forgeries.ALL)
    async def test_a_forgery_is_refused(
        self, secure_issuer: IssuerUnderTest, peer: Peer, judge: Judge, forgery: forgeries.Forgery
    ) -> None:
        forged = await secure_issuer.forge(forgery, await secure_issuer.token(AUDIENCE))
        await refuses(judge, forged, peer.reasons.forgery)

    async def test_a_rotation_is_followed(
        self, secure_issuer: IssuerUnderTest, peer: Peer, tmp_path_factory: pytest.TempPathFactory
    ) -> None:
        async with AsyncExitStack() as stack:

            async def start() -> Judge:
                folder = tmp_path_factory.mktemp("verifier")
                return await stack.enter_async_context(started(peer, secure_issuer, folder))

            trust_domain = secure_issuer.trust_domain
            rotation = f"rotation {next(_serial)}"  # an agent keeps tokens, by their audiences
            before = await secure_issuer.token(AUDIENCE, f"before {rotation}")
            early = await start()
            await accepts(early, before)

            prepared = await trust_domain.prepare_jwt()
            await secure_issuer.until(lambda keys: prepared in keys)
            informed = await start()
            await accepts(informed, before)

            former = await trust_domain.activate_jwt(prepared)
            assert former == key_id(before)
            after = await secure_issuer.token(AUDIENCE, f"after {rotation}")
            assert key_id(after) == prepared
            for token in (after, before):
                await accepts(informed, token)
            # Why a key is to be published for longer than any cache holds before it signs.
            assert (await early(after)).accepted is peer.refetches

            await trust_domain.taint_jwt(former)
            await trust_domain.revoke_jwt(former)
            await secure_issuer.until(lambda keys: former not in keys)
            late = await start()
            await accepts(late, after)
            await refuses(late, before, peer.reasons.forgery)


class TestOverTheSandbox:
    @pytest.mark.parametrize(
        ("key_type", "path"), [(KeyType.EC_P256, "/spiffe"), (KeyType.EC_P384, "/spiffe/")]
    )
    async def test_an_issuer_with_a_path_and_elliptic_curve_keys(
        self, peer: Peer, tls: PrivateCa, tmp_path: Path, key_type: KeyType, path: str
    ) -> None:
        async with (
            sandbox_issuer(key_type, path, tls=tls) as issuer,
            started(peer, issuer, tmp_path) as judge,
        ):
            await accepts(judge, issuer.token(**forgeries.ONE_CLAIM_MORE))
            for forgery in forgeries.ALL:
                forged = await issuer.forge(forgery, issuer.token())
                await refuses(judge, forged, peer.reasons.forgery)
            other_path = issuer.token(iss=issuer.url.removesuffix(path))
            await refuses(judge, other_path, peer.reasons.issuer)

    @pytest.mark.parametrize(("cache_seconds", "refetches"), [(300, False), (30, True), (0, True)])
    async def test_kubernetes_keeps_the_keys_for_as_long_as_the_issuer_says(
        self,
        kubernetes: Peer,
        tls: PrivateCa,
        tmp_path: Path,
        cache_seconds: int,
        refetches: bool,
    ) -> None:
        """Less half a minute: a key that it lacks is looked for once that time is over."""
        async with (
            sandbox_issuer(tls=tls, cache_seconds=cache_seconds) as issuer,
            started(kubernetes, issuer, tmp_path) as judge,
        ):
            await accepts(judge, issuer.token())
            prepared = issuer.sandbox.jwt.prepare()
            issuer.sandbox.jwt.activate()
            await issuer.until(lambda keys: prepared in keys)
            assert (await judge(issuer.token())).accepted is refetches
