"""What an agent keeps, for how long, and what it does not hear of while it lags behind."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Any

import jwt as pyjwt
import pytest
from trust_domains.plain_client import SECURITY_HEADER, plain_stub

from spire_bridge._proto import workload_pb2 as pb
from spire_bridge.sandbox.cluster import Cluster
from spire_bridge.sandbox.entry import Entry
from spire_bridge.sandbox.jwt_authority import KeyType
from spire_bridge.sandbox.trust_domain import SandboxTrustDomain

ID = "spiffe://example.org/web"


@pytest.fixture
async def sandbox(clock: Any) -> AsyncIterator[SandboxTrustDomain]:
    """One whose time stands still until a test moves it."""
    async with SandboxTrustDomain(jwt_key_type=KeyType.EC_P256, clock=clock) as sandbox:
        yield sandbox


@pytest.fixture
async def stub(cluster: Cluster) -> AsyncIterator[Any]:
    entry = Entry(ID, jwt_ttl_seconds=300, x509_ttl_seconds=600)
    workload = await cluster.add_workload("web", entry)
    async with plain_stub(workload.address) as stub:
        yield stub


async def token(stub: Any, *audience: str) -> str:
    request = pb.JWTSVIDRequest(audience=audience)
    return str((await stub.FetchJWTSVID(request, metadata=SECURITY_HEADER)).svids[0].svid)


def signer(token: str) -> str:
    return str(pyjwt.get_unverified_header(token)["kid"])


def opened(stub: Any, method: str, request: Any) -> Any:
    return getattr(stub, method)(request, metadata=SECURITY_HEADER, timeout=20)


class TestTokens:
    async def test_are_kept_by_the_set_of_audiences(self, stub: Any) -> None:
        first = await token(stub, "db", "cache")
        assert await token(stub, "cache", "db") == first
        assert await token(stub, "db") != first

    async def test_are_replaced_at_half_of_their_life(self, stub: Any, clock: Any) -> None:
        first = await token(stub, "db")
        clock.advance(149)
        assert await token(stub, "db") == first
        clock.advance(1)
        assert await token(stub, "db") != first

    async def test_outlive_the_activation_of_another_key_but_not_a_taint(
        self, stub: Any, sandbox: SandboxTrustDomain
    ) -> None:
        first = await token(stub, "db")
        second_key = sandbox.jwt.prepare()
        sandbox.jwt.activate()
        assert await token(stub, "db") == first
        assert signer(await token(stub, "new audience")) == second_key
        sandbox.jwt.taint(signer(first))
        assert signer(await token(stub, "db")) == second_key

    async def test_of_a_revoked_key_are_dropped(
        self, stub: Any, sandbox: SandboxTrustDomain
    ) -> None:
        first = await token(stub, "db")
        sandbox.jwt.activate(sandbox.jwt.prepare())
        sandbox.jwt.revoke(signer(first))
        assert signer(await token(stub, "db")) != signer(first)


class TestX509Svids:
    async def test_are_renewed_at_half_of_their_life(
        self, stub: Any, sandbox: SandboxTrustDomain, clock: Any
    ) -> None:
        stream = opened(stub, "FetchX509SVID", pb.X509SVIDRequest())
        first = (await stream.read()).svids[0]
        clock.advance(299)
        sandbox.tick()
        again = await opened(stub, "FetchX509SVID", pb.X509SVIDRequest()).read()
        assert again.svids[0] == first
        clock.advance(1)
        sandbox.tick()
        renewed = (await stream.read()).svids[0]
        assert renewed.x509_svid_key != first.x509_svid_key
        assert renewed.bundle == first.bundle

    async def test_are_renewed_without_an_explicit_tick(self, stub: Any, clock: Any) -> None:
        stream = opened(stub, "FetchX509SVID", pb.X509SVIDRequest())
        first = (await stream.read()).svids[0]
        clock.advance(300)
        assert (await stream.read()).svids[0].x509_svid != first.x509_svid

    async def test_are_new_after_deletion_and_registration(
        self, stub: Any, cluster: Cluster
    ) -> None:
        request = pb.X509SVIDRequest()
        first = (await opened(stub, "FetchX509SVID", request).read()).svids[0]
        workload = cluster.workloads["web"]
        (entry,) = workload.entries
        workload.deregister(ID)
        workload.register(entry)
        second = (await opened(stub, "FetchX509SVID", request).read()).svids[0]
        assert second.x509_svid != first.x509_svid


class TestLag:
    async def test_a_held_agent_serves_old_bundles_and_new_signatures(
        self, stub: Any, sandbox: SandboxTrustDomain, cluster: Cluster
    ) -> None:
        first = await token(stub, "db")
        stream = opened(stub, "FetchJWTBundles", pb.JWTBundlesRequest())
        before = await stream.read()
        cluster.hold_bundles()
        second_key = sandbox.jwt.prepare()
        sandbox.jwt.activate()
        sandbox.jwt.taint(signer(first))
        assert await opened(stub, "FetchJWTBundles", pb.JWTBundlesRequest()).read() == before
        assert await token(stub, "db") == first
        assert signer(await token(stub, "cache")) == second_key
        cluster.release_bundles()
        keys = json.loads((await stream.read()).bundles["spiffe://example.org"])["keys"]
        assert [key["kid"] for key in keys] == [signer(first), second_key]
        assert signer(await token(stub, "db")) == second_key

    async def test_other_clusters_are_not_held(
        self, sandbox: SandboxTrustDomain, cluster: Cluster
    ) -> None:
        west = await sandbox.start_cluster("west")
        cluster.hold_bundles()
        added = sandbox.jwt.prepare()
        assert added in west.agent.bundle.jwt_keys
        assert added not in cluster.agent.bundle.jwt_keys

    async def test_a_cluster_that_starts_later_knows_the_keys_of_now(
        self, sandbox: SandboxTrustDomain
    ) -> None:
        added = sandbox.jwt.prepare()
        west = await sandbox.start_cluster("west")
        assert added in west.agent.bundle.jwt_keys
