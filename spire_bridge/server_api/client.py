"""The calls of SPIRE's Server API that the bridge makes."""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import AsyncExitStack
from typing import Any, Self

from spire_bridge._proto import server_bundle_pb2 as pb
from spire_bridge._proto import spire_types_pb2 as types
from spire_bridge._proto.server_bundle_pb2_grpc import BundleStub
from spire_bridge.server_api.address import RemoteServer, ServerAddress, check_trust
from spire_bridge.server_api.messages import bundle_of
from spire_bridge.spiffe.bundle import Bundle
from spire_bridge.spiffe.id import SpiffeId, TrustDomain
from spire_bridge.transport.channel import ChannelOptions, open_local_channel
from spire_bridge.transport.forwarder import Forwarder
from spire_bridge.transport.rpc import answer
from spire_bridge.transport.rpc_errors import Peer, Unavailable
from spire_bridge.transport.tls import TlsCredentials, spiffe_context

DEFAULT_TIMEOUT_SECONDS = 10.0

# All that a bundle holds here: WIT authorities are asked for by nobody yet.
_BUNDLE_MASK = types.BundleMask(
    x509_authorities=True, jwt_authorities=True, refresh_hint=True, sequence_number=True
)

# A connection that is cut on its way takes the calls in it along, before their time is over.
# These change nothing on the server, so gRPC may make them again.
_REPEATING = (
    "grpc.service_config",
    json.dumps(
        {
            "methodConfig": [
                {
                    "name": [{"service": "spire.api.server.bundle.v1.Bundle"}],
                    "retryPolicy": {
                        "maxAttempts": 4,
                        "initialBackoff": "0.1s",
                        "backoffMultiplier": 2,
                        "maxBackoff": "0.5s",
                        "retryableStatusCodes": ["UNAVAILABLE"],
                    },
                }
            ]
        }
    ),
)


class ServerClient:
    """A connection to one SPIRE server, as an async context manager.

    `address` is the server's own socket, or `tls://host:port`: then `credentials` is asked
    at each handshake for the bundle of the server's trust domain, and for the SVID to
    present if there is one, and nothing is sent to anyone but that trust domain's server,
    `spiffe://<trust domain>/spire/server`. `timeout` is in seconds, for each call. Every
    method raises a `RpcError`.
    """

    def __init__(
        self,
        address: str,
        *,
        credentials: Callable[[], TlsCredentials] | None = None,
        timeout: float = DEFAULT_TIMEOUT_SECONDS,
    ) -> None:
        self.address = ServerAddress.parse(address)
        check_trust(self.address, is_given=credentials is not None)
        self.timeout = timeout
        self._credentials = credentials
        self._peer = _server_at(self.address)
        self._resources = AsyncExitStack()
        self._forwarder: Forwarder | None = None
        self._bundles: Any = None

    async def __aenter__(self) -> Self:
        """Raises `FileFailure` where the forwarder of `tls:` finds no place for its socket."""
        target = self.address.target
        options: ChannelOptions = ()
        if (remote := self.address.remote) is not None:
            self._forwarder = await self._resources.enter_async_context(self._forward_to(remote))
            target = self._forwarder.target
            options = (("grpc.default_authority", remote.authority), _REPEATING)
        assert target is not None
        channel = open_local_channel(target, options)
        self._resources.push_async_callback(channel.close)
        self._bundles = BundleStub(channel)
        return self

    async def __aexit__(self, *_: object) -> None:
        self._bundles = self._forwarder = None
        await self._resources.aclose()

    async def get_bundle(self, trust_domain: TrustDomain | None = None) -> Bundle:
        """The bundle of the server's trust domain, which must be the given one, if any.

        Raises `InvalidBundle` besides: what the server told is refused whole.
        """
        request = pb.GetBundleRequest(output_mask=_BUNDLE_MASK)
        return bundle_of(await self._call(self._bundles.GetBundle, request), trust_domain)

    async def _call(self, method: Any, request: Any) -> Any:
        try:
            return await answer(method(request, timeout=self.timeout), self._peer)
        except Unavailable:
            if self._forwarder is None or (reason := self._forwarder.last_error) is None:
                raise
            raise reason.with_traceback(None) from None  # or it would grow each time

    def _forward_to(self, remote: RemoteServer) -> Forwarder:
        assert self._credentials is not None
        context = spiffe_context(self._credentials, authorize=_is_server, alpn=("h2",))
        return Forwarder(remote.host, remote.port, context, program=self._peer.program)


def _is_server(peer: SpiffeId) -> bool:
    """SPIRE's server, of whichever trust domain the bundle in use is."""
    return peer.path == "/spire/server"


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
