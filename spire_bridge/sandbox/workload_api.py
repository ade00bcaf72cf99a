"""The Workload API of one workload over gRPC: security header, streams, faults."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from typing import Any

import grpc
import grpc.aio

from spire_bridge._proto import workload_pb2 as pb
from spire_bridge.sandbox.answers import Answers
from spire_bridge.sandbox.errors import Refusal
from spire_bridge.sandbox.faults import Fault, Message, encoded
from spire_bridge.sandbox.workload import Workload

SERVICE = "SpiffeWorkloadAPI"
SECURITY_HEADER = ("workload.spiffe.io", "true")

Compose = Callable[[Any], Message]
Context = grpc.aio.ServicerContext[Any, bytes]


class WorkloadApi:
    """Calls `Answers` and turns what it returns or raises into gRPC.

    A stream sends its message at once and again whenever it would read differently; each
    message is complete.
    """

    def __init__(self, workload: Workload) -> None:
        self._workload = workload
        self._answers = Answers(workload)

    def handler(self) -> grpc.GenericRpcHandler:
        """The service for a gRPC server; responses are bytes, so that they can be wrong ones."""
        answers = self._answers
        return grpc.method_handlers_generic_handler(
            SERVICE,
            {
                "FetchX509SVID": self._stream(answers.x509_svids, pb.X509SVIDRequest),
                "FetchX509Bundles": self._stream(answers.x509_bundles, pb.X509BundlesRequest),
                "FetchJWTBundles": self._stream(answers.jwt_bundles, pb.JWTBundlesRequest),
                "FetchJWTSVID": self._unary(answers.jwt_svids, pb.JWTSVIDRequest),
                "ValidateJWTSVID": self._unary(answers.validation, pb.ValidateJWTSVIDRequest),
                "FetchWITSVID": self._stream(_not_implemented, pb.WITSVIDRequest),
                "FetchWITBundles": self._stream(_not_implemented, pb.WITBundlesRequest),
            },
        )

    def _unary(self, compose: Compose, request_type: Any) -> grpc.RpcMethodHandler[Any, Any]:
        async def answer(request: Any, context: Context) -> bytes:
            try:
                _check_security_header(context)
                fault = await self._workload.fault_in_force()
                return encoded(compose(request), fault)
            except Refusal as refusal:
                await context.abort(refusal.code, refusal.details)

        return grpc.unary_unary_rpc_method_handler(answer, request_type.FromString)

    def _stream(self, compose: Compose, request_type: Any) -> grpc.RpcMethodHandler[Any, Any]:
        async def answer(request: Any, context: Context) -> AsyncIterator[bytes]:
            try:
                _check_security_header(context)
                async for message in self._messages(compose, request):
                    yield message
            except Refusal as refusal:
                await context.abort(refusal.code, refusal.details)

        return grpc.unary_stream_rpc_method_handler(answer, request_type.FromString)

    async def _messages(self, compose: Compose, request: Any) -> AsyncIterator[bytes]:
        sent: bytes | None = None
        while True:
            changed = self._workload.changes.upcoming
            fault = await self._workload.fault_in_force()
            message = encoded(compose(request), fault)
            if message != sent:
                yield message
                sent = message
            if fault is Fault.END_STREAM:
                return
            await changed.wait()


def _check_security_header(context: Context) -> None:
    name, value = SECURITY_HEADER
    if [v for k, v in context.invocation_metadata() or () if k == name] != [value]:
        raise Refusal(grpc.StatusCode.INVALID_ARGUMENT, "security header missing from request")


def _not_implemented(_request: Any) -> Message:
    raise Refusal(grpc.StatusCode.UNIMPLEMENTED, "WIT-SVIDs are not implemented")
