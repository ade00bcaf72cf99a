"""The part of SPIRE's Server API that a bridge calls, on the server's own socket and over TLS."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import grpc
import grpc.aio
from cryptography.hazmat.primitives import serialization

from spire_bridge._proto import server_bundle_pb2 as pb
from spire_bridge._proto import spire_types_pb2 as types
from spire_bridge.sandbox.endpoint import Endpoint
from spire_bridge.sandbox.errors import Refusal, SandboxError
from spire_bridge.sandbox.faults import encoded
from spire_bridge.sandbox.jwt_authority import JwtKey
from spire_bridge.sandbox.life_cycle import KeyState
from spire_bridge.sandbox.listener import Listener

SERVICE = "spire.api.server.bundle.v1.Bundle"


class ServerApi(Endpoint):
    """Answers GetBundle with what `compose` says at that moment, to whoever asks.

    `answer`, if set, is sent in its place, whatever it contains.
    """

    def __init__(self, socket: Path, compose: Callable[[], types.Bundle]) -> None:
        super().__init__()
        self.answer: types.Bundle | None = None
        self._compose = compose
        self._socket = Listener(f"unix://{socket}", self._handler())
        self._tls: Listener | None = None
        self._running = False

    @property
    def address(self) -> str:
        """The server's own socket, `unix:///…`."""
        return self._socket.address

    @property
    def tls_address(self) -> str:
        """Where it speaks TLS, `tls://127.0.0.1:port`; a `SandboxError` where it does not."""
        if self._tls is None:
            raise SandboxError("the Server API does not speak TLS")
        return self._tls.address.replace("tcp:", "tls:", 1)

    async def listen_with_tls(
        self, credentials: grpc.ServerCredentials, max_connection_age_seconds: float | None
    ) -> None:
        """Serves on a port of this machine besides, from now on."""
        if self._tls is not None:
            raise SandboxError("the Server API speaks TLS already")
        self._tls = Listener(
            "tcp://127.0.0.1:0",
            self._handler(),
            credentials=credentials,
            max_connection_age_seconds=max_connection_age_seconds,
        )
        if self._running:
            await self._tls.start()

    async def start(self) -> None:
        """Listens, or listens again."""
        if not self._running:
            self.stopping = False
            await asyncio.gather(*(listener.start() for listener in self._listeners()))
            self._running = True

    async def stop(self) -> None:
        """The server goes away: Unavailable for open calls, no socket after."""
        self._running, self.stopping = False, True
        self.changes.notify()
        await asyncio.gather(*(listener.stop() for listener in self._listeners()))

    def _listeners(self) -> list[Listener]:
        return [self._socket] if self._tls is None else [self._socket, self._tls]

    def _handler(self) -> grpc.GenericRpcHandler:
        method: grpc.RpcMethodHandler[Any, Any] = grpc.unary_unary_rpc_method_handler(
            self._get_bundle, pb.GetBundleRequest.FromString
        )
        return grpc.method_handlers_generic_handler(SERVICE, {"GetBundle": method})

    async def _get_bundle(
        self, request: pb.GetBundleRequest, context: grpc.aio.ServicerContext[Any, bytes]
    ) -> bytes:
        try:
            fault = await self.fault_in_force()
        except Refusal as refusal:
            await context.abort(refusal.code, refusal.details)
        bundle = types.Bundle()
        bundle.CopyFrom(self._compose() if self.answer is None else self.answer)
        if request.HasField("output_mask"):
            _apply(request.output_mask, bundle)
        return encoded(bundle, fault)


def _apply(mask: types.BundleMask, bundle: types.Bundle) -> None:
    """Leaves the fields that the mask names, and the trust domain."""
    for field in types.BundleMask.DESCRIPTOR.fields:
        if not getattr(mask, field.name):
            bundle.ClearField(field.name)


def jwt_key_message(key: JwtKey, state: KeyState) -> types.JWTKey:
    """A JWT key as the Server API tells of it."""
    public_key = key.private_key.public_key.public_bytes(
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    return types.JWTKey(
        public_key=public_key,
        key_id=key.key_id,
        expires_at=key.expires_at,
        tainted=state is KeyState.TAINTED,
    )
