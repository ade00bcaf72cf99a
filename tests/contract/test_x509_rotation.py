"""An X.509 authority's life, as a workload sees it.

A module of its own: real SPIRE's server keeps its own SVID for up to five seconds after
the authority was revoked, and no agent could start on it meanwhile.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest
from cryptography import x509
from cryptography.exceptions import InvalidSignature
from trust_domains.under_test import PATIENCE_SECONDS, AgentUnderTest, TrustDomainUnderTest

from spire_bridge.spiffe.id import TrustDomain
from spire_bridge.workload.client import WorkloadClient
from spire_bridge.workload.messages import X509Context

pytestmark = pytest.mark.timeout(120)


async def test_x509_svids_and_bundles_follow_an_authority_from_prepared_to_revoked(
    trust_domain: TrustDomainUnderTest, agent: AgentUnderTest, client: WorkloadClient
) -> None:
    early = await agent.register("/early")
    watch = client.watch_x509_context()
    own = TrustDomain(trust_domain.name)

    async def until(holds: Callable[[X509Context], bool]) -> X509Context:
        async with asyncio.timeout(PATIENCE_SECONDS):
            async for context in watch:
                if holds(context):
                    return context
        raise AssertionError("a watch never ends by itself")

    before = await until(lambda context: True)
    former = issuer_of(before, early, own)
    assert former is not None
    await trust_domain.prepare_x509()
    prepared = await until(lambda c: len(set(c.bundles[own].authorities)) > known(before, own))
    (new,) = set(prepared.bundles[own].authorities) - set(before.bundles[own].authorities)
    assert prepared.svids == before.svids

    former_id = await trust_domain.activate_x509()
    late = await agent.register("/late")
    activated = await until(lambda c: len(c.svids) == 2)
    assert issuer_of(activated, late, own) == new
    assert issuer_of(activated, early, own) == former

    await trust_domain.taint_x509(former_id)
    tainted = await until(lambda c: issuer_of(c, early, own) == new)
    assert former in tainted.bundles[own].authorities

    await trust_domain.revoke_x509(former_id)
    await until(lambda c: former not in c.bundles[own].authorities)


def known(context: X509Context, trust_domain: TrustDomain) -> int:
    return len(context.bundles[trust_domain].authorities)


def issuer_of(
    context: X509Context, spiffe_id: str, trust_domain: TrustDomain
) -> x509.Certificate | None:
    """The authority of the bundle that has signed the SVID, which has no intermediates here.

    None if there is no such SVID: while an agent replaces tainted SVIDs one after the
    other, real SPIRE sends messages that lack those that are still to come.
    """
    authorities = context.bundles[trust_domain].authorities
    leaves = [svid.leaf for svid in context.svids if str(svid.spiffe_id) == spiffe_id]
    return next((a for leaf in leaves for a in authorities if has_issued(a, leaf)), None)


def has_issued(authority: x509.Certificate, leaf: x509.Certificate) -> bool:
    try:
        leaf.verify_directly_issued_by(authority)
    except (ValueError, InvalidSignature):
        return False
    return True
