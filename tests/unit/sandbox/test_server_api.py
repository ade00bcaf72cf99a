"""The sandbox's Server API by its bare stub: fields, sequence, mask, faults, stop and start."""

# ruff: noqa: ASYNC240 — a test may wait for its own small files

from __future__ import annotations

import asyncio
import stat
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import grpc
import grpc.aio
import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import load_der_public_key
from google.protobuf.message import DecodeError
from jwt import PyJWK

from spire_bridge._proto import server_bundle_pb2 as pb
from spire_bridge._proto import spire_types_pb2 as types
from spire_bridge._proto.server_bundle_pb2_grpc import BundleStub
from spire_bridge.sandbox.errors import SandboxError
from spire_bridge.sandbox.faults import Fault
from spire_bridge.sandbox.jwt_authority import KeyType
from spire_bridge.sandbox.life_cycle import PRUNE_AFTER_SECONDS
from spire_bridge.sandbox.trust_domain import SandboxTrustDomain


@pytest.fixture
async def server(sandbox: SandboxTrustDomain) -> AsyncIterator[BundleStub]:
    options = (("grpc.use_local_subchannel_pool", 1),)
    address = await sandbox.start_server_api()
    async with grpc.aio.insecure_channel(address, options=options) as channel:
        yield BundleStub(channel)


async def get(server: BundleStub, timeout_seconds: float = 10.0, **fields: Any) -> types.Bundle:
    request = pb.GetBundleRequest(**fields)
    bundle: types.Bundle = await server.GetBundle(request, timeout=timeout_seconds)
    return bundle


async def test_the_bundle_has_names_expiry_and_numbers(
    sandbox: SandboxTrustDomain, server: BundleStub
) -> None:
    bundle = await get(server)
    assert bundle.trust_domain == "example.org"
    assert (bundle.sequence_number, bundle.refresh_hint) == (1, 0)
    (key,), (ca,) = sandbox.jwt.keys, sandbox.x509.keys
    (told,) = bundle.jwt_authorities
    assert (told.key_id, told.expires_at, told.tainted) == (key.key_id, key.expires_at, False)
    (certificate,) = bundle.x509_authorities
    assert x509.load_der_x509_certificate(certificate.asn1) == ca.root
    assert not certificate.tainted


@pytest.mark.parametrize("key_type", list(KeyType))
async def test_a_key_is_the_one_that_agents_publish(key_type: KeyType) -> None:
    async with SandboxTrustDomain(jwt_key_type=key_type) as sandbox:
        (key,) = sandbox.jwt.keys
        async with grpc.aio.insecure_channel(await sandbox.start_server_api()) as channel:
            (told,) = (await get(BundleStub(channel))).jwt_authorities
    published = PyJWK(key.public_jwk, algorithm=key_type.alg).key
    assert load_der_public_key(told.public_key) == published


async def test_the_sequence_rises_with_every_change_of_the_bundle_and_no_other(
    sandbox: SandboxTrustDomain, server: BundleStub
) -> None:
    """As real SPIRE counts."""
    (old,) = sandbox.jwt.states
    (old_ca,) = sandbox.x509.states
    numbers = [(await get(server)).sequence_number]
    for change in (
        sandbox.jwt.prepare,
        sandbox.jwt.activate,
        lambda: sandbox.jwt.taint(old),
        lambda: sandbox.jwt.revoke(old),
        sandbox.x509.prepare,
        sandbox.x509.activate,
        lambda: sandbox.x509.taint(old_ca),
        lambda: sandbox.x509.revoke(old_ca),
    ):
        change()
        numbers.append((await get(server)).sequence_number)
    assert numbers == [1, 2, 2, 3, 4, 5, 5, 6, 7]


async def test_changes_before_the_server_api_starts_are_counted() -> None:
    async with SandboxTrustDomain() as sandbox:
        sandbox.jwt.prepare()
        assert sandbox.sequence == 2


async def test_pruning_is_a_change() -> None:
    times = [1_800_000_000.0]
    async with SandboxTrustDomain(clock=lambda: times[-1], authority_ttl_seconds=100) as sandbox:
        times.append(times[-1] + 60)
        sandbox.jwt.activate(sandbox.jwt.prepare())
        before = sandbox.sequence
        times.append(times[0] + 100 + PRUNE_AFTER_SECONDS + 1)
        sandbox.jwt.prune()
        assert sandbox.sequence == before + 1


async def test_taint_shows(sandbox: SandboxTrustDomain, server: BundleStub) -> None:
    (old,), (old_ca,) = sandbox.jwt.states, sandbox.x509.states
    new = sandbox.jwt.prepare()
    for authority, key_id in ((sandbox.jwt, old), (sandbox.x509, old_ca)):
        authority.prepared or authority.prepare()
        authority.activate()
        authority.taint(key_id)
    bundle = await get(server)
    assert {key.key_id: key.tainted for key in bundle.jwt_authorities} == {old: True, new: False}
    assert [ca.tainted for ca in bundle.x509_authorities] == [True, False]


async def test_a_refresh_hint_goes_out(sandbox: SandboxTrustDomain, server: BundleStub) -> None:
    sandbox.refresh_hint_seconds = 300
    assert (await get(server)).refresh_hint == 300


async def test_a_mask_leaves_what_it_names(sandbox: SandboxTrustDomain, server: BundleStub) -> None:
    sandbox.refresh_hint_seconds = 300
    bundle = await get(server, output_mask=types.BundleMask(jwt_authorities=True))
    assert {field.name for field, _ in bundle.ListFields()} == {"trust_domain", "jwt_authorities"}
    bundle = await get(server, output_mask=types.BundleMask())
    assert {field.name for field, _ in bundle.ListFields()} == {"trust_domain"}


async def test_any_answer_can_be_served(sandbox: SandboxTrustDomain, server: BundleStub) -> None:
    answer = types.Bundle(trust_domain="other.example", sequence_number=3)
    sandbox.server_api.answer = answer
    assert await get(server) == answer
    sandbox.server_api.answer = types.Bundle()
    assert await get(server) == types.Bundle()
    sandbox.server_api.answer = None
    assert (await get(server)).trust_domain == "example.org"


@pytest.mark.parametrize(
    ("fault", "status"),
    [
        (Fault.UNAVAILABLE, grpc.StatusCode.UNAVAILABLE),
        (Fault.PERMISSION_DENIED, grpc.StatusCode.PERMISSION_DENIED),
        (Fault.INVALID_ARGUMENT, grpc.StatusCode.INVALID_ARGUMENT),
        (Fault.UNIMPLEMENTED, grpc.StatusCode.UNIMPLEMENTED),
    ],
)
async def test_a_status_fault(
    sandbox: SandboxTrustDomain, server: BundleStub, fault: Fault, status: grpc.StatusCode
) -> None:
    sandbox.server_api.fault = fault
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await get(server)
    assert caught.value.code() is status
    sandbox.server_api.fault = None
    assert await get(server)


async def test_hanging_and_slowness(sandbox: SandboxTrustDomain, server: BundleStub) -> None:
    api, loop = sandbox.server_api, asyncio.get_running_loop()
    api.fault = Fault.HANG
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await get(server, timeout_seconds=0.2)
    assert caught.value.code() is grpc.StatusCode.DEADLINE_EXCEEDED
    waiting = asyncio.ensure_future(get(server))
    await asyncio.sleep(0.05)
    api.fault = None
    assert await waiting
    api.delay_seconds, api.fault = 0.2, Fault.SLOW
    start = loop.time()
    assert await get(server)
    assert loop.time() - start >= 0.19


async def test_garbage_and_malformed_answers(
    sandbox: SandboxTrustDomain, server: BundleStub
) -> None:
    async with grpc.aio.insecure_channel(await sandbox.start_server_api()) as channel:
        call = channel.unary_unary("/spire.api.server.bundle.v1.Bundle/GetBundle")
        sandbox.server_api.fault = Fault.GARBAGE
        with pytest.raises(DecodeError):
            types.Bundle.FromString(await call(b""))
        sandbox.server_api.fault = Fault.MALFORMED
        bundle = types.Bundle.FromString(await call(b""))
    assert bundle.trust_domain != "example.org"
    with pytest.raises(ValueError, match="deserialize"):
        load_der_public_key(bundle.jwt_authorities[0].public_key)
    sandbox.server_api.answer = answer = types.Bundle(trust_domain="example.org")
    assert await get(server) != answer
    assert answer.trust_domain == "example.org"  # what a test has set is not touched


async def test_it_goes_and_comes_back_at_the_same_address(
    sandbox: SandboxTrustDomain, server: BundleStub
) -> None:
    api = sandbox.server_api
    socket = Path(api.address.removeprefix("unix://"))
    await api.stop()
    assert not socket.exists()
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await get(server)
    assert caught.value.code() is grpc.StatusCode.UNAVAILABLE
    assert await sandbox.start_server_api() == await sandbox.start_server_api() == api.address
    assert await server.GetBundle(pb.GetBundleRequest(), wait_for_ready=True, timeout=10)


async def test_the_socket_is_private_and_gone_in_the_end(tmp_path: Path) -> None:
    async with SandboxTrustDomain(directory=tmp_path) as sandbox:
        socket = Path((await sandbox.start_server_api()).removeprefix("unix://"))
        assert socket.is_socket()
        assert stat.S_IMODE(socket.parent.stat().st_mode) == 0o700
    assert not list(tmp_path.iterdir())


async def test_it_needs_a_started_sandbox() -> None:
    sandbox = SandboxTrustDomain()
    with pytest.raises(SandboxError, match="not started"):
        await sandbox.start_server_api()
    with pytest.raises(SandboxError, match="no Server API"):
        _ = sandbox.server_api
