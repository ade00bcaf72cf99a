"""GetBundle: a key's life, with what only the server tells, on each way to the server."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import aclosing
from pathlib import Path

import pytest
from server_ways import Way, certificate_is_not_of, trust_by
from trust_domains.under_test import PATIENCE_SECONDS, TrustDomainUnderTest, eventually

from spire_bridge.bundles.source import SourceState
from spire_bridge.server_api.client import ServerClient
from spire_bridge.spiffe.bundle import Bundle
from spire_bridge.spiffe.id import TrustDomain
from spire_bridge.transport.rpc_errors import TrustDomainMismatch, Unimplemented

pytestmark = pytest.mark.timeout(120)


@pytest.fixture(params=["socket", "bootstrap bundle", "workload API"])
async def way(
    request: pytest.FixtureRequest, trust_domain: TrustDomainUnderTest, tmp_path: Path
) -> Way:
    name = TrustDomain(trust_domain.name)
    if request.param == "socket":
        return Way(name, trust_domain.server_address, None)
    address = trust_domain.server_tls_address
    return Way(name, address, await trust_by(request.param, trust_domain, tmp_path))


async def test_the_server_tells_all_that_a_bundle_has(
    trust_domain: TrustDomainUnderTest, way: Way
) -> None:
    async with way.client() as client:
        bundle = await client.get_bundle(TrustDomain(trust_domain.name))
    assert bundle.trust_domain.name == trust_domain.name
    assert bundle.jwt.authorities
    assert not bundle.jwt.skipped
    for authority in bundle.jwt.authorities.values():
        assert authority.key.algorithm == "RS256"
        assert authority.expires_at is not None
        assert authority.expires_at > time.time()
    assert bundle.x509.authorities
    assert bundle.sequence is not None
    assert bundle.sequence >= 1
    assert bundle.refresh_hint_seconds is None


async def test_a_jwt_key_is_seen_prepared_tainted_and_revoked(
    trust_domain: TrustDomainUnderTest, way: Way
) -> None:
    async with aclosing(way.source().watch(lambda _: None)) as bundles:
        first = await until(bundles, lambda _: True)

        new = await trust_domain.prepare_jwt()
        prepared = await until(bundles, lambda bundle: new in bundle.jwt.authorities)
        assert sequence(prepared) > sequence(first)
        assert not prepared.jwt.authorities[new].tainted

        old = await trust_domain.activate_jwt(new)
        await trust_domain.taint_jwt(old)
        tainted = await until(bundles, lambda bundle: bundle.jwt.authorities[old].tainted)
        assert sequence(tainted) > sequence(prepared)
        assert tainted.jwt.authorities[old].key == prepared.jwt.authorities[old].key
        assert not tainted.jwt.authorities[new].tainted

        await trust_domain.revoke_jwt(old)
        revoked = await until(bundles, lambda bundle: old not in bundle.jwt.authorities)
        assert sequence(revoked) > sequence(tainted)
        assert new in revoked.jwt.authorities


async def test_activation_alone_changes_nothing(
    trust_domain: TrustDomainUnderTest, way: Way
) -> None:
    async with way.client() as client:
        new = await trust_domain.prepare_jwt()

        async def published() -> Bundle | None:
            bundle = await client.get_bundle()
            return bundle if new in bundle.jwt.authorities else None

        before = await eventually(published)
        await trust_domain.activate_jwt(new)
        await asyncio.sleep(1.0)  # longer than the server's own cache lasts
        assert await client.get_bundle() == before


async def test_an_x509_authority_comes_and_goes(
    trust_domain: TrustDomainUnderTest, way: Way
) -> None:
    async with aclosing(way.source().watch(lambda _: None)) as bundles:
        first = await until(bundles, lambda _: True)
        await trust_domain.prepare_x509()
        more = await until(
            bundles, lambda bundle: len(bundle.x509.authorities) > len(first.x509.authorities)
        )
        old = await trust_domain.activate_x509()
        await trust_domain.taint_x509(old)
        tainted = await until(bundles, lambda bundle: sequence(bundle) > sequence(more))
        assert tainted.x509 == more.x509  # it is trusted until it is revoked
        await eventually(lambda: certificate_is_not_of(old, trust_domain))
        await trust_domain.revoke_x509(old)
        left = await until(bundles, lambda bundle: bundle.x509 != more.x509)
        assert len(left.x509.authorities) == len(more.x509.authorities) - 1


async def test_a_bundle_of_another_trust_domain_is_an_error_that_names_both(
    trust_domain: TrustDomainUnderTest, way: Way
) -> None:
    states: list[SourceState] = []
    other = way.source(TrustDomain("other.example"))
    async with aclosing(other.watch(states.append)) as bundles:
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(anext(bundles), 1.0)
    assert len(states) >= 2
    for state in states:
        assert isinstance(state.last_error, TrustDomainMismatch)
        assert trust_domain.name in state.last_error.message
        assert "other.example" in state.last_error.message


async def test_an_agent_is_no_server(trust_domain: TrustDomainUnderTest) -> None:
    agent = await trust_domain.agent("east")
    async with ServerClient(agent.address) as client:
        with pytest.raises(Unimplemented) as caught:
            await client.get_bundle()
    assert caught.value.hint is not None


async def until(bundles: AsyncIterator[Bundle], wanted: Callable[[Bundle], bool]) -> Bundle:
    """The first of the bundles to come that is as wanted."""
    async with asyncio.timeout(PATIENCE_SECONDS):
        async for bundle in bundles:
            if wanted(bundle):
                return bundle
    raise AssertionError("a source never ends by itself")


def sequence(bundle: Bundle) -> int:
    assert bundle.sequence is not None
    return bundle.sequence
