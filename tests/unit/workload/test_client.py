"""Single calls: what is sent, what each gRPC status becomes, what is refused of an answer."""

from __future__ import annotations

import asyncio
import gc
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import grpc
import pytest

from spire_bridge._proto import workload_pb2 as pb
from spire_bridge.errors import (
    EXIT_FAILURE,
    EXIT_NOT_PERMITTED,
    EXIT_UNAVAILABLE,
    BridgeError,
)
from spire_bridge.sandbox.entry import Entry
from spire_bridge.sandbox.faults import GARBAGE_BYTES, Fault
from spire_bridge.sandbox.trust_domain import SandboxTrustDomain
from spire_bridge.sandbox.workload import Workload
from spire_bridge.spiffe.errors import InvalidBundle, InvalidSvid
from spire_bridge.spiffe.id import InvalidSpiffeId, SpiffeId, TrustDomain
from spire_bridge.transport.rpc_errors import (
    Canceled,
    DeadlineExceeded,
    InvalidArgument,
    PermissionDenied,
    RpcError,
    StreamEnded,
    Unavailable,
    UnexpectedAnswer,
    Unimplemented,
)
from spire_bridge.workload.client import WorkloadClient

HOME = TrustDomain("example.org")
CALLS: dict[str, Callable[[WorkloadClient], Awaitable[Any]]] = {
    "FetchJWTSVID": lambda client: client.fetch_jwt_svids("db"),
    "ValidateJWTSVID": lambda client: client.validate_jwt_svid("a.b.c", "db"),
    "FetchJWTBundles": lambda client: client.fetch_jwt_bundles(),
    "FetchX509SVID": lambda client: client.fetch_x509_context(),
    "FetchX509Bundles": lambda client: client.fetch_x509_bundles(),
}
STREAMS = [name for name in CALLS if name not in {"FetchJWTSVID", "ValidateJWTSVID"}]
NAMED_STATUSES = {
    grpc.StatusCode.UNAVAILABLE: (Unavailable, EXIT_UNAVAILABLE),
    grpc.StatusCode.PERMISSION_DENIED: (PermissionDenied, EXIT_NOT_PERMITTED),
    grpc.StatusCode.DEADLINE_EXCEEDED: (DeadlineExceeded, EXIT_UNAVAILABLE),
    grpc.StatusCode.INVALID_ARGUMENT: (InvalidArgument, EXIT_FAILURE),
    grpc.StatusCode.UNIMPLEMENTED: (Unimplemented, EXIT_FAILURE),
    grpc.StatusCode.CANCELLED: (Canceled, EXIT_FAILURE),
}
every_call = pytest.mark.parametrize("method", CALLS)


@every_call
async def test_each_call_carries_the_security_header(agent: Any, method: str) -> None:
    agent.refuse_with(grpc.StatusCode.PERMISSION_DENIED)
    async with WorkloadClient(agent.address) as client:
        with pytest.raises(PermissionDenied):
            await CALLS[method](client)
    (call,) = agent.calls
    assert call.method == method
    assert call.metadata["workload.spiffe.io"] == "true"


async def test_each_watch_carries_the_security_header(agent: Any) -> None:
    agent.refuse_with(grpc.StatusCode.UNIMPLEMENTED)
    async with WorkloadClient(agent.address) as client:
        for open_watch in (
            client.watch_jwt_bundles,
            client.watch_x509_context,
            client.watch_x509_bundles,
        ):
            with pytest.raises(Unimplemented):
                await anext(open_watch())
    assert [call.metadata["workload.spiffe.io"] for call in agent.calls] == ["true"] * 3


async def test_the_request_says_what_was_asked_for(agent: Any) -> None:
    agent.refuse_with(grpc.StatusCode.PERMISSION_DENIED)
    async with WorkloadClient(agent.address) as client:
        for wanted in (None, "spiffe://example.org/web", SpiffeId(HOME, "/web")):
            with pytest.raises(PermissionDenied):
                await client.fetch_jwt_svids(["b", "a", "b"], spiffe_id=wanted)
    requests = [pb.JWTSVIDRequest.FromString(call.request) for call in agent.calls]
    assert [list(request.audience) for request in requests] == [["b", "a"]] * 3
    assert [r.spiffe_id for r in requests] == ["", *["spiffe://example.org/web"] * 2]


@pytest.mark.parametrize(
    "status", [status for status in grpc.StatusCode if status is not grpc.StatusCode.OK]
)
@pytest.mark.parametrize("method", ["FetchJWTSVID", "FetchJWTBundles"])
async def test_each_status_has_an_error(agent: Any, status: grpc.StatusCode, method: str) -> None:
    agent.refuse_with(status, "because\nof this")
    async with WorkloadClient(agent.address) as client:
        with pytest.raises(RpcError) as caught:
            await CALLS[method](client)
    kind, exit_status = NAMED_STATUSES.get(status, (RpcError, EXIT_FAILURE))
    assert type(caught.value) is kind
    assert caught.value.exit_status == exit_status
    assert "\n" not in caught.value.message
    assert "because" in caught.value.message
    if kind is RpcError:
        assert status.name in caught.value.message


async def test_an_error_quotes_no_more_than_a_little_of_an_agents_words(agent: Any) -> None:
    agent.refuse_with(grpc.StatusCode.INTERNAL, "x" * 4000)
    async with WorkloadClient(agent.address) as client:
        with pytest.raises(RpcError) as caught:
            await client.fetch_jwt_svids("db")
    assert len(caught.value.message) < 300


@every_call
async def test_a_deadline_is_kept(workload: Workload, method: str) -> None:
    workload.fault = Fault.HANG
    async with WorkloadClient(workload.address, timeout=0.2) as client:
        start = time.monotonic()
        with pytest.raises(DeadlineExceeded) as caught:
            await CALLS[method](client)
        assert 0.15 < time.monotonic() - start < 1.5
    assert caught.value.exit_status == EXIT_UNAVAILABLE


@every_call
async def test_an_agent_that_answers_before_the_deadline_is_in_time(
    workload: Workload, method: str
) -> None:
    workload.delay_seconds = 0.2
    workload.fault = Fault.SLOW
    async with WorkloadClient(workload.address, timeout=5.0) as client:
        try:
            await CALLS[method](client)
        except InvalidArgument:
            assert method == "ValidateJWTSVID"


@every_call
async def test_bytes_that_are_no_message(agent: Any, method: str) -> None:
    agent.answer_with(GARBAGE_BYTES)
    async with WorkloadClient(agent.address) as client:
        with pytest.raises(UnexpectedAnswer, match="no Workload API message"):
            await CALLS[method](client)


@pytest.mark.parametrize("method", set(CALLS) - {"ValidateJWTSVID"})
async def test_an_empty_message(agent: Any, method: str) -> None:
    agent.answer_with(b"")
    async with WorkloadClient(agent.address) as client:
        with pytest.raises(UnexpectedAnswer, match="without any"):
            await CALLS[method](client)


async def test_an_empty_validation(agent: Any) -> None:
    agent.answer_with(b"")
    async with WorkloadClient(agent.address) as client:
        with pytest.raises(InvalidSpiffeId):
            await client.validate_jwt_svid("a.b.c", "db")


@pytest.mark.parametrize("method", STREAMS)
async def test_a_stream_that_ends_before_its_first_message(agent: Any, method: str) -> None:
    agent.answer_with()
    async with WorkloadClient(agent.address) as client:
        with pytest.raises(StreamEnded) as caught:
            await CALLS[method](client)
    assert caught.value.exit_status == EXIT_UNAVAILABLE


@every_call
async def test_malformed_content(workload: Workload, client: WorkloadClient, method: str) -> None:
    """Where there is one thing in the answer it is refused; a bundle may be one of many."""
    workload.fault = Fault.MALFORMED
    if method == "ValidateJWTSVID":
        with pytest.raises(BridgeError):
            await client.validate_jwt_svid("a.b.c", "db")
    elif method in {"FetchJWTBundles", "FetchX509Bundles"}:
        bundles = await CALLS[method](client)
        assert not bundles
        assert isinstance(bundles.refused[HOME], InvalidBundle)
    else:
        with pytest.raises(InvalidSvid):
            await CALLS[method](client)


async def test_a_token_for_another_audience(workload: Workload, client: WorkloadClient) -> None:
    workload.fault = Fault.WRONG_AUDIENCE
    with pytest.raises(UnexpectedAnswer, match="another audience"):
        await client.fetch_jwt_svids("db")


async def test_a_token_for_one_of_two_audiences(agent: Any, sandbox: SandboxTrustDomain) -> None:
    token = sandbox.jwt.issue("spiffe://example.org/web", ["db"], 300).token
    agent.answer_with(token_answer("spiffe://example.org/web", token))
    async with WorkloadClient(agent.address) as client:
        assert await client.fetch_jwt_svids(["db"])
        with pytest.raises(UnexpectedAnswer, match="another audience"):
            await client.fetch_jwt_svids(["db", "cache"])


async def test_an_expired_token(workload: Workload, client: WorkloadClient) -> None:
    workload.fault = Fault.EXPIRED
    with pytest.raises(UnexpectedAnswer, match="expired") as caught:
        await client.fetch_jwt_svids("db")
    assert "clock" in (caught.value.hint or "")


async def test_expiry_is_judged_by_the_clients_clock(workload: Workload, clock: Any) -> None:
    clock.now = time.time() + 299
    async with WorkloadClient(workload.address, clock=clock) as client:
        (svid,) = await client.fetch_jwt_svids("db")
        clock.now = svid.expires_at
        with pytest.raises(UnexpectedAnswer, match="expired"):
            await client.fetch_jwt_svids("db")


async def test_a_token_of_another_subject(agent: Any, sandbox: SandboxTrustDomain) -> None:
    token = sandbox.jwt.issue("spiffe://example.org/other", ["db"], 300).token
    async with WorkloadClient(agent.address) as client:
        agent.answer_with(token_answer("spiffe://example.org/other", token))
        assert await client.fetch_jwt_svids("db")
        with pytest.raises(UnexpectedAnswer, match="another SPIFFE ID"):
            await client.fetch_jwt_svids("db", spiffe_id="spiffe://example.org/web")
        agent.answer_with(token_answer("spiffe://example.org/web", token))
        with pytest.raises(UnexpectedAnswer, match="subject"):
            await client.fetch_jwt_svids("db")


async def test_an_error_about_a_token_does_not_contain_it(
    agent: Any, sandbox: SandboxTrustDomain
) -> None:
    token = sandbox.jwt.issue("spiffe://example.org/web", ["db"], 300).token
    async with WorkloadClient(agent.address) as client:
        for broken in (token[:-10], f"{token}.x", token.replace(".", "!")):
            agent.answer_with(token_answer("spiffe://example.org/web", broken))
            with pytest.raises(BridgeError) as caught:
                await client.fetch_jwt_svids("another")
            assert token[:20] not in caught.value.diagnostic()


async def test_hints_come_with_their_tokens(workload: Workload, client: WorkloadClient) -> None:
    workload.register(Entry("spiffe://example.org/external", hint="external"))
    svids = await client.fetch_jwt_svids("db")
    assert [svid.hint for svid in svids] == ["", "external"]


@pytest.mark.parametrize("audience", ["", [], [""], ["db", ""], "\udcff", ["a", "\ud800"]])
async def test_an_audience_that_is_none_is_not_even_sent(agent: Any, audience: Any) -> None:
    async with WorkloadClient(agent.address) as client:
        with pytest.raises(InvalidArgument):
            await client.fetch_jwt_svids(audience)
    assert not agent.calls


@pytest.mark.parametrize(("token", "audience"), [("\udcff", "db"), ("a.b.c", "\udcff")])
async def test_what_is_no_text_is_not_sent_to_be_validated(
    agent: Any, token: str, audience: str
) -> None:
    async with WorkloadClient(agent.address) as client:
        with pytest.raises(InvalidArgument):
            await client.validate_jwt_svid(token, audience)
    assert not agent.calls


async def test_an_id_that_is_none_is_not_even_sent(agent: Any) -> None:
    async with WorkloadClient(agent.address) as client:
        with pytest.raises(InvalidSpiffeId):
            await client.fetch_jwt_svids("db", spiffe_id="web")
    assert not agent.calls


async def test_validation(workload: Workload, client: WorkloadClient) -> None:
    (svid,) = await client.fetch_jwt_svids("db")
    valid = await client.validate_jwt_svid(svid.token, "db")
    assert valid.spiffe_id == svid.spiffe_id
    assert valid.claims == dict(svid.claims)
    with pytest.raises(InvalidArgument):
        await client.validate_jwt_svid(svid.token, "cache")


async def test_claims_that_json_cannot_hold(agent: Any) -> None:
    response = pb.ValidateJWTSVIDResponse(spiffe_id="spiffe://example.org/web")
    response.claims.update({"exp": float("nan")})
    agent.answer_with(response)
    async with WorkloadClient(agent.address) as client:
        with pytest.raises(UnexpectedAnswer, match="claims"):
            await client.validate_jwt_svid("a.b.c", "db")


async def test_an_x509_svid_that_is_not_the_one_it_is_called(
    agent: Any, sandbox: SandboxTrustDomain
) -> None:
    issued = sandbox.x509.issue("spiffe://example.org/web", 3600)
    response = pb.X509SVIDResponse()
    svid = response.svids.add(
        spiffe_id="spiffe://example.org/other",
        x509_svid=issued.chain_der,
        x509_svid_key=issued.key_der,
        bundle=sandbox.bundle.x509_der,
    )
    async with WorkloadClient(agent.address) as client:
        agent.answer_with(response)
        with pytest.raises(UnexpectedAnswer, match="not the one it names"):
            await client.fetch_x509_context()
        svid.spiffe_id = "spiffe://example.org/web"
        svid.bundle = b""
        agent.answer_with(response)
        with pytest.raises(UnexpectedAnswer, match="without its bundle"):
            await client.fetch_x509_context()
        svid.bundle = sandbox.bundle.x509_der
        svid.x509_svid_key = sandbox.x509.issue("spiffe://example.org/web", 3600).key_der
        agent.answer_with(response)
        with pytest.raises(InvalidSvid, match="does not belong"):
            await client.fetch_x509_context()


@pytest.mark.parametrize("method", ["FetchJWTBundles", "FetchX509Bundles"])
async def test_a_refused_federated_bundle_does_not_lose_the_own_one(
    agent: Any, sandbox: SandboxTrustDomain, method: str
) -> None:
    own = sandbox.bundle.jwks if method == "FetchJWTBundles" else sandbox.bundle.x509_der
    response = getattr(pb, f"{method.removeprefix('Fetch')}Response")()
    response.bundles["spiffe://example.org"] = own
    response.bundles["spiffe://partner.example"] = b"\x30\x82broken"
    agent.answer_with(response)
    async with WorkloadClient(agent.address) as client:
        bundles = await CALLS[method](client)
    assert set(bundles) == {HOME}
    assert set(bundles.refused) == {TrustDomain("partner.example")}


async def test_two_bundles_of_one_trust_domain_are_ambiguous(
    agent: Any, sandbox: SandboxTrustDomain
) -> None:
    response = pb.JWTBundlesResponse()
    response.bundles["spiffe://example.org"] = sandbox.bundle.jwks
    response.bundles["example.org"] = b'{"keys": []}'
    agent.answer_with(response)
    async with WorkloadClient(agent.address) as client:
        with pytest.raises(UnexpectedAnswer, match="two bundles"):
            await client.fetch_jwt_bundles()


async def test_a_bundle_of_no_trust_domain(agent: Any, sandbox: SandboxTrustDomain) -> None:
    agent.answer_with(pb.JWTBundlesResponse(bundles={"Not One": sandbox.bundle.jwks}))
    async with WorkloadClient(agent.address) as client:
        with pytest.raises(UnexpectedAnswer, match="no trust domain"):
            await client.fetch_jwt_bundles()


async def test_three_hundred_keys_are_no_trouble(
    workload: Workload, client: WorkloadClient, sandbox: SandboxTrustDomain
) -> None:
    n = sandbox.jwt.keys[0].public_jwk["n"]
    keys = [{"kty": "RSA", "n": n, "e": "AQAB", "kid": f"key-{i}"} for i in range(300)]
    workload.jwks = repr({"keys": keys}).replace("'", '"').encode()
    assert len((await client.fetch_jwt_bundles())[HOME].authorities) == 300


async def test_a_client_that_is_not_open_says_so(workload: Workload) -> None:
    client = WorkloadClient(workload.address)
    for _ in range(2):
        for call in CALLS.values():
            with pytest.raises(Canceled, match="not open"):
                await call(client)
        with pytest.raises(Canceled, match="not open"):
            await anext(client.watch_jwt_bundles())
        async with client:
            assert await client.fetch_jwt_svids("db")


async def test_closing_the_client_ends_what_is_under_way(
    workload: Workload, tasks_left: None
) -> None:
    workload.fault = Fault.HANG
    async with WorkloadClient(workload.address) as client:
        waiting = [
            asyncio.ensure_future(CALLS[method](client)) for method in ("FetchJWTSVID", *STREAMS)
        ]
        await asyncio.sleep(0.05)
    outcomes = await asyncio.gather(*waiting, return_exceptions=True)
    assert [type(outcome) for outcome in outcomes] == [Canceled] * len(waiting)


async def test_a_cancelled_caller_is_cancelled_and_not_answered(
    workload: Workload, client: WorkloadClient, tasks_left: None
) -> None:
    workload.fault = Fault.HANG
    for call in CALLS.values():
        waiting = asyncio.ensure_future(call(client))
        await asyncio.sleep(0.02)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting


async def test_clients_leave_no_descriptor_behind(workload: Workload) -> None:
    async def use() -> None:
        async with WorkloadClient(workload.address) as client:
            await client.fetch_jwt_svids("db")

    await use()
    gc.collect()
    await asyncio.sleep(0.1)
    before = open_descriptors()
    for _ in range(20):
        await use()
    await asyncio.sleep(0.2)
    gc.collect()
    assert open_descriptors() <= before + 3


def open_descriptors() -> int:
    folder = Path("/proc/self/fd")
    return len(list(folder.iterdir())) if folder.exists() else 0


def token_answer(spiffe_id: str, token: str) -> pb.JWTSVIDResponse:
    response = pb.JWTSVIDResponse()
    response.svids.add(spiffe_id=spiffe_id, svid=token)
    return response
