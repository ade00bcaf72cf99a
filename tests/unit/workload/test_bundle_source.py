"""The bundles to verify with: both kinds, federated ones, and what becomes of a refused one."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from spire_bridge.sandbox.cluster import Cluster
from spire_bridge.sandbox.entry import Entry
from spire_bridge.sandbox.faults import Fault
from spire_bridge.sandbox.trust_domain import SandboxTrustDomain
from spire_bridge.sandbox.workload import Workload
from spire_bridge.spiffe.errors import InvalidBundle, UntrustedSvid
from spire_bridge.spiffe.id import TrustDomain
from spire_bridge.spiffe.jwt_svid import verify_jwt_svid
from spire_bridge.transport.rpc_errors import DeadlineExceeded, PermissionDenied
from spire_bridge.workload.bundle_source import BundleSource
from spire_bridge.workload.client import WorkloadClient

HOME, PARTNER = TrustDomain("example.org"), TrustDomain("partner.example")
Eventually = Callable[..., Awaitable[Any]]


async def test_tokens_verify_with_it_and_not_after_revocation(
    sandbox: SandboxTrustDomain, client: WorkloadClient, eventually: Eventually, tasks_left: None
) -> None:
    (svid,) = await client.fetch_jwt_svids("db")
    async with BundleSource(client) as source:
        assert verify_jwt_svid(svid.token, source.jwt_bundles, "db", time.time())
        assert len(source.x509_bundles[HOME].authorities) == 1
        (key,) = sandbox.jwt.keys
        sandbox.jwt.revoke(key.key_id)
        await eventually(lambda: not source.jwt_bundles[HOME].authorities)
        with pytest.raises(UntrustedSvid):
            verify_jwt_svid(svid.token, source.jwt_bundles, "db", time.time())


async def test_federated_bundles_are_there_apart(
    sandbox: SandboxTrustDomain, cluster: Cluster
) -> None:
    async with SandboxTrustDomain("partner.example") as partner:
        sandbox.federate(partner)
        workload = await cluster.add_workload(
            "fed", Entry("spiffe://example.org/fed", federates_with=("partner.example",))
        )
        token = partner.jwt.issue("spiffe://partner.example/them", ["db"], 300).token
        async with WorkloadClient(workload.address) as client, BundleSource(client) as source:
            assert set(source.jwt_bundles) == set(source.x509_bundles) == {HOME, PARTNER}
            assert verify_jwt_svid(token, source.jwt_bundles, "db", time.time())


async def test_a_refused_bundle_stays_as_it_was_and_the_others_go_on(
    sandbox: SandboxTrustDomain, cluster: Cluster, eventually: Eventually
) -> None:
    async with SandboxTrustDomain("partner.example") as partner:
        sandbox.federate(partner)
        workload = await cluster.add_workload(
            "fed", Entry("spiffe://example.org/fed", federates_with=("partner.example",))
        )
        async with WorkloadClient(workload.address) as client, BundleSource(client) as source:
            before = source.jwt_bundles[HOME]
            workload.jwks = b'{"keys": [{"kty": "oct", "k": "c2VjcmV0", "kid": "a"}]}'
            await eventually(lambda: HOME in source.jwt_bundles.refused)
            assert source.jwt_bundles[HOME] == before
            assert isinstance(source.jwt_bundles.refused[HOME], InvalidBundle)
            partner.jwt.prepare()
            await eventually(lambda: len(source.jwt_bundles[PARTNER].authorities) == 2)
            assert source.jwt_bundles[HOME] == before
            workload.jwks = b'{"keys": []}'
            await eventually(lambda: not source.jwt_bundles[HOME].authorities)
            assert not source.jwt_bundles.refused


async def test_what_the_agent_withdraws_is_gone(
    workload: Workload, client: WorkloadClient, eventually: Eventually
) -> None:
    async with BundleSource(client) as source:
        workload.fault = Fault.UNAVAILABLE
        await asyncio.sleep(0.05)
        assert HOME in source.jwt_bundles
        workload.fault = Fault.PERMISSION_DENIED

        def denied() -> bool:
            try:
                _ = source.jwt_bundles, source.x509_bundles
            except PermissionDenied:
                return True
            return False

        await eventually(denied)


async def test_a_start_that_fails_leaves_nothing(workload: Workload, tasks_left: None) -> None:
    workload.fault = Fault.HANG
    async with WorkloadClient(workload.address, timeout=0.1) as client:
        with pytest.raises(DeadlineExceeded):
            async with BundleSource(client):
                pass
