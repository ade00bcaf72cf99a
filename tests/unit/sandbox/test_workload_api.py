"""What an agent answers, call by call, on the bare stubs."""

from __future__ import annotations

import json
from typing import Any

import grpc
import grpc.aio
import pytest
from cryptography import x509
from trust_domains.plain_client import SECURITY_HEADER, plain_stub

from spire_bridge._proto import workload_pb2 as pb
from spire_bridge._proto.workload_pb2_grpc import SpiffeWorkloadAPIStub
from spire_bridge.errors import BridgeError
from spire_bridge.sandbox.cluster import Cluster
from spire_bridge.sandbox.entry import Entry
from spire_bridge.sandbox.trust_domain import SandboxTrustDomain
from spire_bridge.sandbox.workload import Workload

HOME = "spiffe://example.org"
ID = "spiffe://example.org/workload"
BUNDLE_STREAMS = [
    ("FetchX509Bundles", pb.X509BundlesRequest()),
    ("FetchJWTBundles", pb.JWTBundlesRequest()),
]
STREAMS = [("FetchX509SVID", pb.X509SVIDRequest()), *BUNDLE_STREAMS]


def opened(stub: SpiffeWorkloadAPIStub, method: str, request: Any) -> Any:
    return getattr(stub, method)(request, metadata=SECURITY_HEADER, timeout=20)


async def token_for(stub: SpiffeWorkloadAPIStub, *audience: str, spiffe_id: str = "") -> str:
    request = pb.JWTSVIDRequest(audience=audience, spiffe_id=spiffe_id)
    return str((await opened(stub, "FetchJWTSVID", request)).svids[0].svid)


async def validation(stub: SpiffeWorkloadAPIStub, token: str, audience: str = "db") -> Any:
    request = pb.ValidateJWTSVIDRequest(svid=token, audience=audience)
    return await opened(stub, "ValidateJWTSVID", request)


def key_ids(response: Any, trust_domain: str = HOME) -> list[str]:
    return [key["kid"] for key in json.loads(response.bundles[trust_domain])["keys"]]


INVALID_REQUESTS = [
    ("FetchJWTSVID", pb.JWTSVIDRequest()),
    ("FetchJWTSVID", pb.JWTSVIDRequest(audience=["db"], spiffe_id="workload")),
    ("ValidateJWTSVID", pb.ValidateJWTSVIDRequest(svid="x.y.z")),
    ("ValidateJWTSVID", pb.ValidateJWTSVIDRequest(audience="db")),
]


async def status_of(call: Any) -> grpc.StatusCode:
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await (call.read() if hasattr(call, "read") else call)
    return caught.value.code()


class TestRequests:
    @pytest.mark.parametrize(("method", "request_"), INVALID_REQUESTS)
    async def test_a_wrong_one_is_refused(
        self, stub: SpiffeWorkloadAPIStub, method: str, request_: Any
    ) -> None:
        status = await status_of(opened(stub, method, request_))
        assert status is grpc.StatusCode.INVALID_ARGUMENT

    @pytest.mark.parametrize(
        "metadata", [(), (("workload.spiffe.io", "false"),), SECURITY_HEADER * 2]
    )
    async def test_the_security_header_is_needed_once(
        self, stub: SpiffeWorkloadAPIStub, metadata: Any
    ) -> None:
        jwt = stub.FetchJWTSVID(pb.JWTSVIDRequest(audience=["db"]), metadata=metadata)
        assert await status_of(jwt) is grpc.StatusCode.INVALID_ARGUMENT
        for method, request in STREAMS:
            stream = getattr(stub, method)(request, metadata=metadata)
            assert await status_of(stream) is grpc.StatusCode.INVALID_ARGUMENT

    async def test_wit_svids_are_not_offered(self, stub: SpiffeWorkloadAPIStub) -> None:
        svids = opened(stub, "FetchWITSVID", pb.WITSVIDRequest())
        assert await status_of(svids) is grpc.StatusCode.UNIMPLEMENTED
        bundles = opened(stub, "FetchWITBundles", pb.WITBundlesRequest())
        assert await status_of(bundles) is grpc.StatusCode.UNIMPLEMENTED

    async def test_without_keys_there_are_no_svids(
        self, sandbox: SandboxTrustDomain, stub: SpiffeWorkloadAPIStub
    ) -> None:
        for authority in (sandbox.jwt, sandbox.x509):
            assert authority.current is not None
            authority.revoke(authority.current.key_id)
        jwt = opened(stub, "FetchJWTSVID", pb.JWTSVIDRequest(audience=["db"]))
        assert await status_of(jwt) is grpc.StatusCode.UNAVAILABLE
        svids = opened(stub, "FetchX509SVID", pb.X509SVIDRequest())
        assert await status_of(svids) is grpc.StatusCode.UNAVAILABLE


class TestIdentities:
    async def test_all_are_fetched_with_their_hints(
        self, workload: Workload, stub: SpiffeWorkloadAPIStub
    ) -> None:
        workload.register(Entry(f"{HOME}/second", hint="internal"))
        expected = [(ID, ""), (f"{HOME}/second", "internal")]
        jwt = await opened(stub, "FetchJWTSVID", pb.JWTSVIDRequest(audience=["db"]))
        assert [(svid.spiffe_id, svid.hint) for svid in jwt.svids] == expected
        stream = opened(stub, "FetchX509SVID", pb.X509SVIDRequest())
        assert [(s.spiffe_id, s.hint) for s in (await stream.read()).svids] == expected

    async def test_one_is_fetched_by_its_id(
        self, workload: Workload, stub: SpiffeWorkloadAPIStub
    ) -> None:
        workload.register(Entry(f"{HOME}/second"))
        request = pb.JWTSVIDRequest(audience=["db"], spiffe_id=f"{HOME}/second")
        response = await opened(stub, "FetchJWTSVID", request)
        assert [svid.spiffe_id for svid in response.svids] == [f"{HOME}/second"]

    async def test_of_two_with_one_hint_only_the_first_is_served(
        self, workload: Workload, stub: SpiffeWorkloadAPIStub
    ) -> None:
        workload.register(Entry(f"{HOME}/second", hint="internal"))
        workload.register(Entry(f"{HOME}/third", hint="internal"))
        response = await opened(stub, "FetchJWTSVID", pb.JWTSVIDRequest(audience=["db"]))
        assert [svid.spiffe_id for svid in response.svids] == [ID, f"{HOME}/second"]

    async def test_an_id_of_somebody_else_is_denied(self, stub: SpiffeWorkloadAPIStub) -> None:
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await token_for(stub, "db", spiffe_id=f"{HOME}/other")
        assert caught.value.code() is grpc.StatusCode.PERMISSION_DENIED
        assert caught.value.details() == "no identity issued"

    async def test_audiences_that_are_all_empty_are_not_served(
        self, stub: SpiffeWorkloadAPIStub
    ) -> None:
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await token_for(stub, "")
        assert caught.value.code() is grpc.StatusCode.UNAVAILABLE

    async def test_workloads_of_one_cluster_have_their_own_identities(
        self, cluster: Cluster, stub: SpiffeWorkloadAPIStub
    ) -> None:
        other = await cluster.add_workload("other", Entry(f"{HOME}/other"))
        async with plain_stub(other.address) as other_stub:
            request = pb.JWTSVIDRequest(audience=["db"])
            response = await opened(other_stub, "FetchJWTSVID", request)
        assert [svid.spiffe_id for svid in response.svids] == [f"{HOME}/other"]


@pytest.mark.parametrize(
    ("spiffe_id", "terms"),
    [
        ("spiffe://other.org/workload", {}),
        ("spiffe://example.org", {}),
        ("spiffe://example.org/spire/agent", {}),
        ("spiffe://example.org/a//b", {}),
        ("example.org/workload", {}),
        (ID, {}),
        (f"{HOME}/second", {"jwt_ttl_seconds": 0}),
        (f"{HOME}/second", {"x509_ttl_seconds": -1}),
        (f"{HOME}/second", {"federates_with": ("Other.org",)}),
    ],
)
async def test_an_entry_that_spire_would_refuse_is_refused(
    workload: Workload, spiffe_id: str, terms: dict[str, Any]
) -> None:
    with pytest.raises(BridgeError):
        workload.register(Entry(spiffe_id, **terms))
    assert len(workload.entries) == 1


class TestStreams:
    @pytest.mark.parametrize(("method", "request_"), STREAMS)
    async def test_end_with_a_denial_when_the_last_entry_goes(
        self, workload: Workload, stub: SpiffeWorkloadAPIStub, method: str, request_: Any
    ) -> None:
        stream = opened(stub, method, request_)
        await stream.read()
        workload.deregister(ID)
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await stream.read()
        assert caught.value.code() is grpc.StatusCode.PERMISSION_DENIED

    async def test_are_complete_and_pushed_at_each_change(
        self, sandbox: SandboxTrustDomain, stub: SpiffeWorkloadAPIStub
    ) -> None:
        stream = opened(stub, "FetchJWTBundles", pb.JWTBundlesRequest())
        (first,) = key_ids(await stream.read())
        second = sandbox.jwt.prepare()
        assert key_ids(await stream.read()) == [first, second]
        sandbox.jwt.activate()
        sandbox.jwt.revoke(first)
        assert key_ids(await stream.read()) == [second]
        sandbox.jwt.revoke(second)
        assert json.loads((await stream.read()).bundles[HOME]) == {"keys": []}

    async def test_carry_x509_bundles_and_svids_through_a_rotation(
        self, sandbox: SandboxTrustDomain, stub: SpiffeWorkloadAPIStub
    ) -> None:
        assert sandbox.x509.current is not None
        old = sandbox.x509.current
        bundles = opened(stub, "FetchX509Bundles", pb.X509BundlesRequest())
        svids = opened(stub, "FetchX509SVID", pb.X509SVIDRequest())
        await bundles.read()
        before = (await svids.read()).svids[0]
        sandbox.x509.activate(sandbox.x509.prepare())
        prepared = await svids.read()
        assert prepared.svids[0].x509_svid == before.x509_svid
        assert len(prepared.svids[0].bundle) > len(before.bundle)
        assert (await bundles.read()).bundles[HOME] == prepared.svids[0].bundle
        sandbox.x509.taint(old.key_id)
        renewed = (await svids.read()).svids[0]
        assert sandbox.x509.current is not None
        leaf = x509.load_der_x509_certificate(renewed.x509_svid)
        leaf.verify_directly_issued_by(sandbox.x509.current.root)

    async def test_a_change_that_alters_nothing_sends_nothing(
        self, sandbox: SandboxTrustDomain, workload: Workload, stub: SpiffeWorkloadAPIStub
    ) -> None:
        stream = opened(stub, "FetchX509Bundles", pb.X509BundlesRequest())
        await stream.read()
        sandbox.jwt.prepare()
        workload.register(Entry(f"{HOME}/second"))
        sandbox.x509.prepare()
        assert (await stream.read()).bundles[HOME] == sandbox.bundle.x509_der


class TestValidation:
    async def test_a_good_token_is_returned_with_its_claims(
        self, stub: SpiffeWorkloadAPIStub
    ) -> None:
        response = await validation(stub, await token_for(stub, "db"))
        assert response.spiffe_id == ID
        assert list(response.claims["aud"]) == ["db"]
        assert response.claims["sub"] == ID

    async def test_a_lone_audience_becomes_a_list(
        self, sandbox: SandboxTrustDomain, stub: SpiffeWorkloadAPIStub
    ) -> None:
        token = sandbox.jwt.sign({"sub": ID, "aud": "db", "exp": int(sandbox.jwt.clock()) + 60})
        assert list((await validation(stub, token)).claims["aud"]) == ["db"]

    @pytest.mark.parametrize(
        ("claims", "reason"),
        [
            ({"aud": ["other"]}, "expected audience"),
            ({"aud": None}, "expected audience"),
            ({"exp": 1_000_000_000}, "expired"),
            ({"exp": None}, "no exp"),
            ({"exp": "soon"}, "no time"),
            ({"nbf": 9_000_000_000}, "not valid yet"),
            ({"iat": 9_000_000_000}, "not valid yet"),
            ({"sub": None}, "no sub"),
            ({"sub": "workload"}, "subject"),
            ({"sub": "spiffe://other.org/workload"}, "no keys found"),
        ],
    )
    async def test_wrong_claims_are_refused(
        self,
        sandbox: SandboxTrustDomain,
        stub: SpiffeWorkloadAPIStub,
        claims: dict[str, Any],
        reason: str,
    ) -> None:
        good = {"sub": ID, "aud": ["db"], "exp": int(sandbox.jwt.clock()) + 60}
        token = sandbox.jwt.sign({k: v for k, v in (good | claims).items() if v is not None})
        with pytest.raises(grpc.aio.AioRpcError, match=reason) as caught:
            await validation(stub, token)
        assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT

    async def test_a_token_may_be_a_minute_past_its_expiry(
        self, sandbox: SandboxTrustDomain, stub: SpiffeWorkloadAPIStub
    ) -> None:
        now = int(sandbox.jwt.clock())
        late = sandbox.jwt.sign({"sub": ID, "aud": ["db"], "exp": now - 30})
        assert (await validation(stub, late)).spiffe_id == ID

    @pytest.mark.parametrize("token", ["", "x", "x.y.z", "a.b.c.d", "é.é.é"])
    async def test_what_is_no_token_is_refused(
        self, stub: SpiffeWorkloadAPIStub, token: str
    ) -> None:
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await validation(stub, token)
        assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT

    async def test_a_signature_that_was_changed_is_refused(
        self, stub: SpiffeWorkloadAPIStub
    ) -> None:
        token = await token_for(stub, "db")
        head, signature = token.rsplit(".", 1)
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await validation(stub, f"{head}.{signature[:-8]}AAAAAAAA")
        assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT

    async def test_a_revoked_key_proves_nothing(
        self, sandbox: SandboxTrustDomain, stub: SpiffeWorkloadAPIStub
    ) -> None:
        token = await token_for(stub, "db")
        assert sandbox.jwt.current is not None
        sandbox.jwt.revoke(sandbox.jwt.current.key_id)
        with pytest.raises(grpc.aio.AioRpcError, match="not found"):
            await validation(stub, token)

    async def test_a_workload_without_identity_may_validate(
        self, workload: Workload, stub: SpiffeWorkloadAPIStub
    ) -> None:
        token = await token_for(stub, "db")
        workload.deregister(ID)
        assert (await validation(stub, token)).spiffe_id == ID


class TestFederation:
    async def test_bundles_go_to_the_workloads_that_federate(
        self, sandbox: SandboxTrustDomain, cluster: Cluster, stub: SpiffeWorkloadAPIStub
    ) -> None:
        other = SandboxTrustDomain("other.org")
        sandbox.federate(other)
        entry = Entry(f"{HOME}/friend", federates_with=("other.org", "spiffe://third.org"))
        friend = await cluster.add_workload("friend", entry)
        async with plain_stub(friend.address) as friend_stub:
            for method, request in BUNDLE_STREAMS:
                plain = await opened(stub, method, request).read()
                assert list(plain.bundles) == [HOME]
                federated = await opened(friend_stub, method, request).read()
                assert sorted(federated.bundles) == [HOME, "spiffe://other.org"]
            svids = await opened(friend_stub, "FetchX509SVID", pb.X509SVIDRequest()).read()
            assert list(svids.federated_bundles) == ["spiffe://other.org"]

    async def test_the_other_domains_changes_are_pushed(
        self, sandbox: SandboxTrustDomain, cluster: Cluster
    ) -> None:
        other = SandboxTrustDomain("other.org")
        sandbox.federate(other)
        entry = Entry(f"{HOME}/friend", federates_with=("other.org",))
        friend = await cluster.add_workload("friend", entry)
        async with plain_stub(friend.address) as friend_stub:
            stream = opened(friend_stub, "FetchJWTBundles", pb.JWTBundlesRequest())
            before = key_ids(await stream.read(), "spiffe://other.org")
            added = other.jwt.prepare()
            assert key_ids(await stream.read(), "spiffe://other.org") == [*before, added]

    async def test_a_foreign_token_is_validated_without_its_other_claims(
        self, sandbox: SandboxTrustDomain, cluster: Cluster, stub: SpiffeWorkloadAPIStub
    ) -> None:
        other = SandboxTrustDomain("other.org", jwt_issuer="https://other.org")
        sandbox.federate(other)
        entry = Entry(f"{HOME}/friend", federates_with=("other.org",))
        friend = await cluster.add_workload("friend", entry)
        token = other.jwt.issue("spiffe://other.org/web", ["db"], 60).token
        async with plain_stub(friend.address) as friend_stub:
            response = await validation(friend_stub, token)
        assert response.spiffe_id == "spiffe://other.org/web"
        assert set(response.claims) == {"sub", "aud", "exp"}
        with pytest.raises(grpc.aio.AioRpcError, match="no keys found"):
            await validation(stub, token)

    async def test_one_domains_key_cannot_sign_the_others_subjects(
        self, sandbox: SandboxTrustDomain, cluster: Cluster
    ) -> None:
        other = SandboxTrustDomain("other.org")
        sandbox.federate(other)
        entry = Entry(f"{HOME}/friend", federates_with=("other.org",))
        friend = await cluster.add_workload("friend", entry)
        forged = other.jwt.issue(ID, ["db"], 60).token
        async with plain_stub(friend.address) as friend_stub:
            with pytest.raises(grpc.aio.AioRpcError, match="not found in trust domain"):
                await validation(friend_stub, forged)
