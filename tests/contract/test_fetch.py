"""What a workload fetches: JWT-SVIDs, X.509-SVIDs and the bundles to verify them with."""

from __future__ import annotations

import asyncio
import time
from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from cryptography.x509.verification import PolicyBuilder, Store
from trust_domains.under_test import AgentUnderTest, TrustDomainUnderTest

from spire_bridge.spiffe.id import TrustDomain
from spire_bridge.spiffe.x509_bundle import X509Bundle
from spire_bridge.spiffe.x509_svid import X509Svid
from spire_bridge.transport.rpc_errors import PermissionDenied
from spire_bridge.workload.client import WorkloadClient

pytestmark = pytest.mark.timeout(120)


async def test_a_jwt_svid_says_who_for_whom_and_how_long(
    trust_domain: TrustDomainUnderTest, agent: AgentUnderTest, client: WorkloadClient
) -> None:
    spiffe_id = await agent.register("/web", jwt_ttl=300)
    (svid,) = await client.fetch_jwt_svids(["db"])
    assert str(svid.spiffe_id) == spiffe_id == f"spiffe://{trust_domain.name}/web"
    assert svid.audience == ("db",)
    assert svid.issuer == trust_domain.issuer
    assert svid.issued_at is not None
    assert svid.expires_at - svid.issued_at == 300
    assert svid.issued_at == pytest.approx(time.time(), abs=30)
    assert svid.algorithm == "RS256"
    assert svid.hint == ""


async def test_a_jwt_svid_carries_no_claim_beyond_the_usual_five(
    agent: AgentUnderTest, client: WorkloadClient
) -> None:
    await agent.register("/web")
    (svid,) = await client.fetch_jwt_svids(["db"])
    assert set(svid.claims) == {"aud", "exp", "iat", "iss", "sub"}
    assert svid.claims["aud"] == ["db"]


async def test_a_jwt_svid_for_several_audiences_names_them_all(
    agent: AgentUnderTest, client: WorkloadClient
) -> None:
    await agent.register("/web")
    (svid,) = await client.fetch_jwt_svids(["db", "cache", "queue"])
    assert set(svid.audience) == {"db", "cache", "queue"}


async def test_the_agent_caches_a_token_by_its_set_of_audiences(
    agent: AgentUnderTest, client: WorkloadClient
) -> None:
    await agent.register("/web")
    (first,) = await client.fetch_jwt_svids(["db", "cache"])
    (again,) = await client.fetch_jwt_svids(["cache", "db"])
    (other,) = await client.fetch_jwt_svids(["db"])
    assert again.token == first.token
    assert other.token != first.token


async def test_each_identity_has_a_token_with_its_own_hint_and_lifetime(
    agent: AgentUnderTest, client: WorkloadClient
) -> None:
    internal = await agent.register("/internal", hint="internal", jwt_ttl=120)
    external = await agent.register("/external", hint="external", jwt_ttl=600)
    svids = await client.fetch_jwt_svids(["db"])
    assert {(str(svid.spiffe_id), svid.hint) for svid in svids} == {
        (internal, "internal"),
        (external, "external"),
    }
    lifetimes = {svid.hint: svid.expires_at - (svid.issued_at or 0) for svid in svids}
    assert lifetimes == {"internal": 120, "external": 600}


async def test_of_two_entries_with_one_hint_the_older_counts(
    agent: AgentUnderTest, client: WorkloadClient
) -> None:
    older = await agent.register("/older", hint="internal")
    await asyncio.sleep(1.1)  # SPIRE knows an entry's age to the second
    await agent.register("/younger", hint="internal", until_served=False)
    other = await agent.register("/other", hint="external")
    svids = await client.fetch_jwt_svids(["db"])
    assert {str(svid.spiffe_id) for svid in svids} == {older, other}
    context = await client.fetch_x509_context()
    assert {str(svid.spiffe_id) for svid in context.svids} == {older, other}


async def test_one_identity_can_be_asked_for_by_its_spiffe_id(
    agent: AgentUnderTest, client: WorkloadClient
) -> None:
    await agent.register("/one")
    wanted = await agent.register("/two")
    (svid,) = await client.fetch_jwt_svids(["db"], spiffe_id=wanted)
    assert str(svid.spiffe_id) == wanted


async def test_jwt_and_x509_agree_on_the_default_identity(
    agent: AgentUnderTest, client: WorkloadClient
) -> None:
    for path in ("/one", "/two", "/three"):
        await agent.register(path)
    tokens = await client.fetch_jwt_svids(["db"])
    context = await client.fetch_x509_context()
    assert [t.spiffe_id for t in tokens] == [svid.spiffe_id for svid in context.svids]
    assert context.default_svid.spiffe_id == tokens[0].spiffe_id


async def test_an_identity_of_somebody_else_is_denied(
    trust_domain: TrustDomainUnderTest, agent: AgentUnderTest, client: WorkloadClient
) -> None:
    await agent.register("/web")
    for unknown in (f"spiffe://{trust_domain.name}/other", "spiffe://elsewhere.test/web"):
        with pytest.raises(PermissionDenied):
            await client.fetch_jwt_svids(["db"], spiffe_id=unknown)


@pytest.mark.parametrize(
    "method", ["fetch_jwt_bundles", "fetch_x509_context", "fetch_x509_bundles", "fetch_jwt_svids"]
)
async def test_a_workload_without_an_entry_is_denied_at_once(
    client: WorkloadClient, method: str
) -> None:
    arguments = [["db"]] if method == "fetch_jwt_svids" else []
    before = time.monotonic()
    with pytest.raises(PermissionDenied):
        await getattr(client, method)(*arguments)
    assert time.monotonic() - before < 2.0


async def test_the_jwt_bundle_has_the_key_that_signed(
    trust_domain: TrustDomainUnderTest, agent: AgentUnderTest, client: WorkloadClient
) -> None:
    await agent.register("/web")
    (svid,) = await client.fetch_jwt_svids(["db"])
    bundles = await client.fetch_jwt_bundles()
    assert set(bundles) == {TrustDomain(trust_domain.name)}
    assert svid.key_id in bundles[TrustDomain(trust_domain.name)].authorities


async def test_an_x509_svid_chains_to_its_bundle(
    trust_domain: TrustDomainUnderTest, agent: AgentUnderTest, client: WorkloadClient
) -> None:
    spiffe_id = await agent.register("/web", hint="internal", x509_ttl=1800)
    context = await client.fetch_x509_context()
    (svid,) = context.svids
    assert str(svid.spiffe_id) == spiffe_id
    assert svid.hint == "internal"
    assert svid.private_key.public_key() == svid.leaf.public_key()
    assert svid.expires_at - datetime.now(UTC) == pytest.approx(
        timedelta(seconds=1800), abs=timedelta(seconds=60)
    )
    assert chains_to(svid, context.bundles[TrustDomain(trust_domain.name)])


async def test_the_x509_bundles_are_those_of_the_context(
    agent: AgentUnderTest, client: WorkloadClient
) -> None:
    await agent.register("/web")
    context = await client.fetch_x509_context()
    bundles = await client.fetch_x509_bundles()
    assert dict(bundles) == dict(context.bundles)
    assert all(bundle.authorities for bundle in bundles.values())


def chains_to(svid: X509Svid, bundle: X509Bundle) -> bool:
    """Whether cryptography's own path validation accepts the SVID, as a TLS server would."""
    verifier = PolicyBuilder().store(Store(list(bundle.authorities))).build_client_verifier()
    verified = verifier.verify(svid.leaf, list(svid.certificates[1:]))
    names = verified.subjects or []
    return names == [x509.UniformResourceIdentifier(str(svid.spiffe_id))]
