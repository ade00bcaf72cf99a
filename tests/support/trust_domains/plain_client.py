"""The Workload API by its bare stubs: the harness must not lean on the client under test."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import grpc
import grpc.aio

from spire_bridge._proto import workload_pb2 as pb
from spire_bridge._proto.workload_pb2_grpc import SpiffeWorkloadAPIStub

SECURITY_HEADER = (("workload.spiffe.io", "true"),)
CALL_SECONDS = 10.0


@asynccontextmanager
async def plain_stub(address: str) -> AsyncIterator[SpiffeWorkloadAPIStub]:
    """A stub without any default: not even the security header is added."""
    options = (("grpc.use_local_subchannel_pool", 1),)
    async with grpc.aio.insecure_channel(address, options=options) as channel:
        yield SpiffeWorkloadAPIStub(channel)


async def served_ids(address: str) -> frozenset[str]:
    """The SPIFFE IDs that the agent serves at the moment, with their X.509-SVIDs ready."""
    async with plain_stub(address) as stub:
        call = stub.FetchX509SVID(
            pb.X509SVIDRequest(), metadata=SECURITY_HEADER, timeout=CALL_SECONDS
        )
        try:
            response = await call.read()
        except grpc.aio.AioRpcError as error:
            if error.code() is grpc.StatusCode.PERMISSION_DENIED:
                return frozenset()
            raise
        finally:
            call.cancel()
        return frozenset(svid.spiffe_id for svid in response.svids)
