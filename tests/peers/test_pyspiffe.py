"""The sandbox as PyPI's `spiffe` sees it: a Workload API client that is none of ours."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from datetime import UTC, datetime
from queue import Queue
from typing import Any

import jwt as pyjwt
import pytest
from cryptography import x509
from spiffe import JwtBundleSet, JwtSvid, SpiffeId, TrustDomain, WorkloadApiClient
from spiffe.errors import PySpiffeError
from spiffe.workloadapi.x509_context import X509Context

from spire_bridge.sandbox.cluster import Cluster
from spire_bridge.sandbox.entry import Entry
from spire_bridge.sandbox.faults import Fault
from spire_bridge.sandbox.jwt_authority import KeyType
from spire_bridge.sandbox.trust_domain import SandboxTrustDomain
from spire_bridge.sandbox.workload import Workload

HOME = TrustDomain("example.org")
ID = SpiffeId("spiffe://example.org/workload")
DB = {"db"}

Call = Callable[..., Awaitable[Any]]


@pytest.fixture
def client(workload: Workload) -> Iterator[WorkloadApiClient]:
    client = WorkloadApiClient(workload.address, default_timeout=10)
    yield client
    client.close()


@pytest.fixture
def call(client: WorkloadApiClient) -> Call:
    """Calls a method of the client, which blocks, while the sandbox answers in this loop."""

    async def call_in_a_thread(method: str, *arguments: Any, **named: Any) -> Any:
        return await asyncio.to_thread(getattr(client, method), *arguments, **named)

    return call_in_a_thread


def verify_chain(chain: list[x509.Certificate], roots: set[x509.Certificate]) -> None:
    """Each certificate is issued by the next one, the last one by a root; all are valid now."""
    (root,) = (root for root in roots if root.subject == chain[-1].issuer)
    for certificate, issuer in zip(chain, [*chain[1:], root], strict=True):
        certificate.verify_directly_issued_by(issuer)
        now = datetime.now(UTC)
        assert certificate.not_valid_before_utc <= now <= certificate.not_valid_after_utc


class TestJwt:
    async def test_a_token_is_fetched_and_verified_against_the_bundle(self, call: Call) -> None:
        fetched = await call("fetch_jwt_svid", {"db", "cache"})
        assert fetched.spiffe_id == ID
        assert fetched.audience == {"db", "cache"}
        bundle = (await call("fetch_jwt_bundles")).get_bundle_for_trust_domain(HOME)
        assert JwtSvid.parse_and_validate(fetched.token, bundle, DB).spiffe_id == ID

    @pytest.mark.parametrize("key_type", [KeyType.EC_P256, KeyType.EC_P384])
    async def test_elliptic_curve_tokens_verify_too(self, key_type: KeyType) -> None:
        async with SandboxTrustDomain(jwt_key_type=key_type) as sandbox:
            cluster = await sandbox.start_cluster("east")
            workload = await cluster.add_workload("workload", Entry(str(ID)))
            client = WorkloadApiClient(workload.address, default_timeout=10)
            token = (await asyncio.to_thread(client.fetch_jwt_svid, DB)).token
            bundles = await asyncio.to_thread(client.fetch_jwt_bundles)
            client.close()
        bundle = bundles.get_bundle_for_trust_domain(HOME)
        assert JwtSvid.parse_and_validate(token, bundle, DB).spiffe_id == ID

    async def test_an_identity_is_chosen_by_its_id(self, workload: Workload, call: Call) -> None:
        second = SpiffeId("spiffe://example.org/second")
        workload.register(Entry(str(second)))
        assert (await call("fetch_jwt_svid", DB, subject=second)).spiffe_id == second
        svids = await call("fetch_jwt_svids", DB)
        assert [svid.spiffe_id for svid in svids] == [ID, second]

    async def test_the_agent_validates_its_own_token(self, call: Call) -> None:
        token = (await call("fetch_jwt_svid", DB)).token
        assert (await call("validate_jwt_svid", token, "db")).spiffe_id == ID

    async def test_the_agent_refuses_a_token_for_somebody_else(self, call: Call) -> None:
        token = (await call("fetch_jwt_svid", DB)).token
        with pytest.raises(PySpiffeError, match="INVALID_ARGUMENT"):
            await call("validate_jwt_svid", token, "cache")

    async def test_the_agent_refuses_a_token_of_a_revoked_key(
        self, sandbox: SandboxTrustDomain, call: Call
    ) -> None:
        token = (await call("fetch_jwt_svid", DB)).token
        assert sandbox.jwt.current is not None
        sandbox.jwt.revoke(sandbox.jwt.current.key_id)
        with pytest.raises(PySpiffeError, match="INVALID_ARGUMENT"):
            await call("validate_jwt_svid", token, "db")

    async def test_federated_bundles_are_kept_apart(
        self, sandbox: SandboxTrustDomain, workload: Workload, call: Call
    ) -> None:
        other = SandboxTrustDomain("other.org", jwt_key_type=KeyType.EC_P256)
        sandbox.federate(other)
        workload.register(Entry("spiffe://example.org/federated", federates_with=("other.org",)))
        bundles = await call("fetch_jwt_bundles")
        for trust_domain in (sandbox, other):
            bundle = bundles.get_bundle_for_trust_domain(TrustDomain(trust_domain.name))
            assert list(bundle.jwt_authorities) == [key.key_id for key in trust_domain.jwt.keys]


class TestX509:
    async def test_an_svid_chains_to_its_bundle(self, call: Call) -> None:
        context = await call("fetch_x509_context")
        svid = context.default_svid
        assert svid.spiffe_id == ID
        assert svid.private_key.public_key() == svid.leaf.public_key()
        bundle = context.x509_bundle_set.get_bundle_for_trust_domain(HOME)
        verify_chain(svid.cert_chain, bundle.x509_authorities)

    async def test_an_svid_below_an_intermediate_chains_to_its_bundle(self) -> None:
        async with SandboxTrustDomain(
            jwt_key_type=KeyType.EC_P256, x509_intermediate=True
        ) as sandbox:
            cluster = await sandbox.start_cluster("east")
            workload = await cluster.add_workload("workload", Entry(str(ID)))
            client = WorkloadApiClient(workload.address, default_timeout=10)
            context = await asyncio.to_thread(client.fetch_x509_context)
            client.close()
        chain = context.default_svid.cert_chain
        assert len(chain) == 2
        bundle = context.x509_bundle_set.get_bundle_for_trust_domain(HOME)
        assert bundle is not None
        verify_chain(chain, bundle.x509_authorities)

    async def test_the_bundles_are_those_of_the_svids(
        self, sandbox: SandboxTrustDomain, workload: Workload, call: Call
    ) -> None:
        sandbox.federate(SandboxTrustDomain("other.org", jwt_key_type=KeyType.EC_P256))
        workload.register(Entry("spiffe://example.org/federated", federates_with=("other.org",)))
        with_svids = (await call("fetch_x509_context")).x509_bundle_set
        alone = await call("fetch_x509_bundles")
        for name in (HOME, TrustDomain("other.org")):
            authorities = alone.get_bundle_for_trust_domain(name).x509_authorities
            assert len(authorities) == 1
            assert with_svids.get_bundle_for_trust_domain(name).x509_authorities == authorities


class TestStreams:
    async def test_jwt_bundles_follow_a_rotation(
        self, sandbox: SandboxTrustDomain, client: WorkloadApiClient
    ) -> None:
        updates: Queue[JwtBundleSet | Exception] = Queue()
        watch = client.stream_jwt_bundles(updates.put, updates.put)

        async def next_key_ids() -> set[str]:
            update = await asyncio.to_thread(updates.get, timeout=10)
            assert isinstance(update, JwtBundleSet)
            bundle = update.get_bundle_for_trust_domain(HOME)
            assert bundle is not None
            return set(bundle.jwt_authorities)

        (first,) = await next_key_ids()
        second = sandbox.jwt.prepare()
        assert await next_key_ids() == {first, second}
        sandbox.jwt.activate()
        sandbox.jwt.taint(first)
        sandbox.jwt.revoke(first)
        assert await next_key_ids() == {second}
        watch.cancel()

    async def test_a_restart_of_the_agent_is_survived(
        self, cluster: Cluster, workload: Workload, client: WorkloadApiClient
    ) -> None:
        updates: Queue[X509Context | Exception] = Queue()
        watch = client.stream_x509_contexts(updates.put, updates.put)
        before = await asyncio.to_thread(updates.get, timeout=10)
        await cluster.stop()
        await cluster.start()
        after = await asyncio.to_thread(updates.get, timeout=20)
        watch.cancel()
        assert isinstance(before, X509Context)
        assert isinstance(after, X509Context)
        assert before.default_svid.leaf == after.default_svid.leaf


class TestErrors:
    @pytest.mark.parametrize(
        ("fault", "reason"),
        [
            (Fault.UNAVAILABLE, "UNAVAILABLE"),
            (Fault.PERMISSION_DENIED, "no identity issued.*PERMISSION_DENIED"),
            (Fault.UNIMPLEMENTED, "UNIMPLEMENTED"),
            (Fault.HANG, "DEADLINE_EXCEEDED"),
            (Fault.GARBAGE, None),
            (Fault.MALFORMED, None),
        ],
    )
    @pytest.mark.parametrize(
        "method",
        [
            "fetch_jwt_svid",
            "fetch_jwt_bundles",
            "fetch_x509_context",
            "fetch_x509_bundles",
        ],
    )
    async def test_each_fault_reaches_the_caller(
        self, workload: Workload, call: Call, method: str, fault: Fault, reason: str | None
    ) -> None:
        workload.fault = fault
        arguments = (DB,) if method == "fetch_jwt_svid" else ()
        with pytest.raises(PySpiffeError, match=reason):
            await call(method, *arguments, timeout=1)
        workload.fault = None
        assert await call(method, *arguments)

    @pytest.mark.parametrize(
        ("fault", "reason"), [(Fault.WRONG_AUDIENCE, "audience"), (Fault.EXPIRED, "expired")]
    )
    async def test_a_wrong_token_is_noticed(
        self, workload: Workload, call: Call, fault: Fault, reason: str
    ) -> None:
        workload.fault = fault
        with pytest.raises(PySpiffeError, match=reason):
            await call("fetch_jwt_svid", DB)

    async def test_a_workload_without_an_entry_is_denied(
        self, workload: Workload, call: Call
    ) -> None:
        workload.deregister(str(ID))
        for method, arguments in (("fetch_jwt_svid", [DB]), ("fetch_x509_context", [])):
            with pytest.raises(PySpiffeError, match="PERMISSION_DENIED"):
                await call(method, *arguments)


class TestPyJwt:
    """PyJWT alone, with nothing but the JWK set."""

    @pytest.mark.parametrize("key_type", list(KeyType))
    async def test_a_token_verifies_against_the_jwk_set(self, key_type: KeyType) -> None:
        issuer = "https://issuer.example.org"
        sandbox = SandboxTrustDomain(jwt_key_type=key_type, jwt_issuer=issuer)
        sandbox.jwt.prepare()
        token = sandbox.jwt.issue(str(ID), ["db"], 300).token
        jwks = pyjwt.PyJWKSet.from_json(sandbox.bundle.jwks.decode())
        key = jwks[pyjwt.get_unverified_header(token)["kid"]]
        claims = pyjwt.decode(token, key, algorithms=[key_type.alg], audience="db", issuer=issuer)
        assert claims["sub"] == str(ID)

    async def test_another_domains_key_does_not_verify(self) -> None:
        one, other = (SandboxTrustDomain(jwt_key_type=KeyType.EC_P256) for _ in range(2))
        token = one.jwt.issue(str(ID), ["db"], 300).token
        (key,) = pyjwt.PyJWKSet.from_json(other.bundle.jwks.decode()).keys
        with pytest.raises(pyjwt.InvalidSignatureError):
            pyjwt.decode(token, key, algorithms=["ES256"], audience="db")
