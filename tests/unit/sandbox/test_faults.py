"""Each fault shows in new calls and on open streams, and goes when it is taken away."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import grpc
import grpc.aio
import jwt as pyjwt
import pytest
from cryptography import x509
from google.protobuf.message import DecodeError
from trust_domains.plain_client import SECURITY_HEADER

from spire_bridge._proto import workload_pb2 as pb
from spire_bridge._proto.workload_pb2_grpc import SpiffeWorkloadAPIStub
from spire_bridge.sandbox.faults import Fault
from spire_bridge.sandbox.workload import Workload

HOME = "spiffe://example.org"
STATUSES = [
    (Fault.UNAVAILABLE, grpc.StatusCode.UNAVAILABLE),
    (Fault.PERMISSION_DENIED, grpc.StatusCode.PERMISSION_DENIED),
    (Fault.INVALID_ARGUMENT, grpc.StatusCode.INVALID_ARGUMENT),
    (Fault.UNIMPLEMENTED, grpc.StatusCode.UNIMPLEMENTED),
]


def jwt_svid(stub: SpiffeWorkloadAPIStub, timeout_seconds: float = 20) -> Any:
    request = pb.JWTSVIDRequest(audience=["db"])
    return stub.FetchJWTSVID(request, metadata=SECURITY_HEADER, timeout=timeout_seconds)


def jwt_bundles(stub: SpiffeWorkloadAPIStub) -> Any:
    return stub.FetchJWTBundles(pb.JWTBundlesRequest(), metadata=SECURITY_HEADER, timeout=20)


def x509_svids(stub: SpiffeWorkloadAPIStub) -> Any:
    return stub.FetchX509SVID(pb.X509SVIDRequest(), metadata=SECURITY_HEADER, timeout=20)


@pytest.mark.parametrize(("fault", "status"), STATUSES)
async def test_a_status_meets_calls_and_streams(
    workload: Workload, stub: SpiffeWorkloadAPIStub, fault: Fault, status: grpc.StatusCode
) -> None:
    stream = jwt_bundles(stub)
    await stream.read()
    workload.fault = fault
    for call in (jwt_svid(stub), stream.read(), jwt_bundles(stub).read()):
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await call
        assert caught.value.code() is status
    workload.fault = None
    assert (await jwt_svid(stub)).svids


async def test_a_stream_ends_cleanly_after_each_message(
    workload: Workload, stub: SpiffeWorkloadAPIStub
) -> None:
    stream = jwt_bundles(stub)
    await stream.read()
    workload.fault = Fault.END_STREAM
    assert await stream.read() is grpc.aio.EOF
    assert len([message async for message in jwt_bundles(stub)]) == 1


async def test_a_slow_agent_takes_its_time(workload: Workload, stub: SpiffeWorkloadAPIStub) -> None:
    workload.delay_seconds = 0.2
    workload.fault = Fault.SLOW
    loop = asyncio.get_running_loop()
    for call in (lambda: jwt_svid(stub), lambda: jwt_bundles(stub).read()):
        start = loop.time()
        assert await call()
        assert loop.time() - start >= 0.19


async def test_a_hanging_agent_answers_nothing_until_it_recovers(
    workload: Workload, stub: SpiffeWorkloadAPIStub
) -> None:
    workload.fault = Fault.HANG
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await jwt_svid(stub, timeout_seconds=0.2)
    assert caught.value.code() is grpc.StatusCode.DEADLINE_EXCEEDED
    waiting = asyncio.ensure_future(jwt_bundles(stub).read())
    await asyncio.sleep(0.1)
    assert not waiting.done()
    workload.fault = None
    assert (await waiting).bundles


async def test_a_hanging_agent_falls_silent_on_open_streams(
    workload: Workload, stub: SpiffeWorkloadAPIStub
) -> None:
    stream = jwt_bundles(stub)
    before = await stream.read()
    workload.fault = Fault.HANG
    workload.jwks = b'{"keys": []}'
    waiting = asyncio.ensure_future(stream.read())
    await asyncio.sleep(0.1)
    assert not waiting.done()
    workload.fault = None
    assert await waiting != before


async def test_garbage_is_no_protobuf(workload: Workload) -> None:
    workload.fault = Fault.GARBAGE
    async with grpc.aio.insecure_channel(workload.address) as channel:
        call = channel.unary_unary("/SpiffeWorkloadAPI/FetchJWTSVID")
        request = pb.JWTSVIDRequest(audience=["db"]).SerializeToString()
        answer = await call(request, metadata=SECURITY_HEADER)
    for message in (pb.JWTSVIDResponse, pb.JWTBundlesResponse, pb.X509SVIDResponse):
        with pytest.raises(DecodeError):
            message.FromString(answer)


async def test_malformed_messages_have_nothing_sound_in_them(
    workload: Workload, stub: SpiffeWorkloadAPIStub
) -> None:
    workload.fault = Fault.MALFORMED
    token = (await jwt_svid(stub)).svids[0].svid
    with pytest.raises(pyjwt.PyJWTError):
        pyjwt.decode(token, options={"verify_signature": False})
    with pytest.raises(ValueError, match="Expecting"):
        json.loads((await jwt_bundles(stub).read()).bundles[HOME])
    svid = (await x509_svids(stub).read()).svids[0]
    for der in (svid.x509_svid, svid.bundle):
        with pytest.raises(ValueError, match="error parsing asn1"):
            x509.load_der_x509_certificate(der)
    bundles = stub.FetchX509Bundles(pb.X509BundlesRequest(), metadata=SECURITY_HEADER)
    assert (await bundles.read()).bundles[HOME] == svid.bundle


async def test_a_malformed_validation_names_nobody(
    workload: Workload, stub: SpiffeWorkloadAPIStub
) -> None:
    token = (await jwt_svid(stub)).svids[0].svid
    workload.fault = Fault.MALFORMED
    request = pb.ValidateJWTSVIDRequest(audience="db", svid=token)
    response = await stub.ValidateJWTSVID(request, metadata=SECURITY_HEADER)
    assert not response.spiffe_id.startswith("spiffe://")


async def test_tokens_can_be_for_another_audience(
    workload: Workload, stub: SpiffeWorkloadAPIStub
) -> None:
    workload.fault = Fault.WRONG_AUDIENCE
    claims = pyjwt.decode((await jwt_svid(stub)).svids[0].svid, options={"verify_signature": False})
    assert "db" not in claims["aud"]


async def test_tokens_and_certificates_can_be_expired(
    workload: Workload, stub: SpiffeWorkloadAPIStub
) -> None:
    now = workload.agent.jwt.clock()
    workload.fault = Fault.EXPIRED
    token = (await jwt_svid(stub)).svids[0].svid
    assert pyjwt.decode(token, options={"verify_signature": False})["exp"] < now - 3000
    svid = (await x509_svids(stub).read()).svids[0]
    leaf = x509.load_der_x509_certificate(svid.x509_svid)
    assert leaf.not_valid_after_utc.timestamp() < now - 3000


async def test_any_jwk_set_can_be_served(workload: Workload, stub: SpiffeWorkloadAPIStub) -> None:
    stream = jwt_bundles(stub)
    before = await stream.read()
    workload.jwks = b'{"keys": [{"kty": "oct", "k": "c2VjcmV0"}]}'
    assert (await stream.read()).bundles[HOME] == workload.jwks
    workload.jwks = None
    assert await stream.read() == before
