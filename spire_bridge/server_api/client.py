"""The calls of SPIRE's Server API that the bridge makes."""

from __future__ import annotations

from typing import Any, Self

import grpc.aio

from spire_bridge._proto import server_bundle_pb2 as pb
from spire_bridge._proto import spire_types_pb2 as types
from spire_bridge._proto.server_bundle_pb2_grpc import BundleStub
from spire_bridge.server_api.address import ServerAddress
from spire_bridge.server_api.messages import bundle_of
from spire_bridge.spiffe.bundle import Bundle
from spire_bridge.spiffe.id import TrustDomain
from spire_bridge.transport.channel import open_local_channel
from spire_bridge.transport.rpc import answer
from spire_bridge.transport.rpc_errors import Peer

DEFAULT_TIMEOUT_SECONDS = 10.0

# All that a bundle holds here: WIT authorities are asked for by nobody yet.
_BUNDLE_MASK = types.BundleMask(
    x509_authorities=True, jwt_authorities=True, refresh_hint=True, sequence_number=True
)


class ServerClient:
    """A connection to one SPIRE server's own socket, as an async context manager.

    `timeout` is in seconds, for each call. Every method raises a `RpcError`.
    """

    def __init__(self, address: str, *, timeout: float = DEFAULT_TIMEOUT_SECONDS) -> None:
        self.address = ServerAddress.parse(address)
        self.timeout = timeout
        self._peer = _server_at(self.address)
        self._channel: grpc.aio.Channel | None = None
        self._bundles: Any = None

    async def __aenter__(self) -> Self:
        self._channel = open_local_channel(self.address.target)
        self._bundles = BundleStub(self._channel)
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._channel is not None:
            await self._channel.close()
            self._channel = self._bundles = None

    async def get_bundle(self, trust_domain: TrustDomain | None = None) -> Bundle:
        """The bundle of the server's trust domain, which must be the given one, if any.

        Raises `InvalidBundle` besides: what the server told is refused whole.
        """
        request = pb.GetBundleRequest(output_mask=_BUNDLE_MASK)
        call = self._bundles.GetBundle(request, timeout=self.timeout)
        return bundle_of(await answer(call, self._peer), trust_domain)


def _server_at(address: ServerAddress) -> Peer:
    return Peer(
        program="server",
        api="Server API",
        address=str(address),
        socket_path=address.socket_path,
        denied="the server does not permit this call",
        denied_hint="GetBundle needs no right: has the server a policy of its own?",
        unimplemented_hint="is this the address of a SPIRE server, and not of an agent?",
        access_hint="the server's socket admits its own user and group: run as one of them",
    )
