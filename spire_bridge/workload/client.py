"""The Workload API client (SPIFFE Workload API), asynchronous."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic, Self, TypeVar

import grpc.aio

from spire_bridge._proto import workload_pb2 as pb
from spire_bridge._proto.workload_pb2_grpc import SpiffeWorkloadAPIStub
from spire_bridge.bundles.source import StateListener
from spire_bridge.spiffe.id import SpiffeId
from spire_bridge.spiffe.jwt_svid import UnverifiedJwtSvid
from spire_bridge.transport.channel import open_local_channel
from spire_bridge.transport.rpc import answer
from spire_bridge.transport.rpc_errors import Canceled
from spire_bridge.workload import messages
from spire_bridge.workload.address import EndpointAddress
from spire_bridge.workload.calls import (
    DEFAULT_TIMEOUT_SECONDS,
    SECURITY_HEADER,
    audience_names,
    check_text,
)
from spire_bridge.workload.errors import agent_at
from spire_bridge.workload.jwt_svids import checked_jwt_svids
from spire_bridge.workload.messages import BundleSet, ValidatedJwtSvid, X509Context
from spire_bridge.workload.watch import Watch

if TYPE_CHECKING:
    from spire_bridge.spiffe.jwt_bundle import JwtBundle
    from spire_bridge.spiffe.x509_bundle import X509Bundle

T = TypeVar("T")


class WorkloadClient:
    """A connection to one agent, as an async context manager.

    `address` is `unix:///path` or `tcp://ip:port`; without it `SPIFFE_ENDPOINT_SOCKET`
    is used. `timeout` is in seconds, for each single call and for the first message of a
    stream. Every method raises a `RpcError`: `PermissionDenied` if the workload
    has no identity, `Unavailable` if the agent can't be reached, and so on; and
    `InvalidSvid` or `InvalidBundle` for an answer that breaks its specification.
    """

    def __init__(
        self,
        address: str | None = None,
        *,
        timeout: float = DEFAULT_TIMEOUT_SECONDS,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.address = EndpointAddress.locate(address)
        self._agent = agent_at(self.address)
        self.timeout = timeout
        self._clock = clock
        self._channel: grpc.aio.Channel | None = None
        self._open_stub: Any = None

    async def __aenter__(self) -> Self:
        self._channel = open_local_channel(self.address.target)
        self._open_stub = SpiffeWorkloadAPIStub(self._channel)
        return self

    async def __aexit__(self, *_: object) -> None:
        channel, self._channel, self._open_stub = self._channel, None, None
        if channel is not None:
            await channel.close(None)

    @property
    def _stub(self) -> Any:
        if self._open_stub is None:
            raise Canceled("the Workload API client is not open", hint="use it as `async with`")
        return self._open_stub

    async def fetch_jwt_svids(
        self, audience: Iterable[str], *, spiffe_id: SpiffeId | str | None = None
    ) -> tuple[UnverifiedJwtSvid, ...]:
        """A JWT-SVID for each of the workload's identities, or for `spiffe_id` alone.

        The first is the default identity. At least one audience is needed; each token
        has been checked to be for the audience, for the ID and not expired.
        """
        names = audience_names(audience)
        wanted = SpiffeId.parse(spiffe_id) if isinstance(spiffe_id, str) else spiffe_id
        request = pb.JWTSVIDRequest(audience=names, spiffe_id=str(wanted) if wanted else "")
        response = await self._call(self._stub.FetchJWTSVID, request)
        return checked_jwt_svids(response.svids, names, wanted, self._clock())

    async def validate_jwt_svid(self, token: str, audience: str) -> ValidatedJwtSvid:
        """Has the agent verify `token` for `audience`; raises `InvalidArgument` if it refuses."""
        check_text(token, audience)
        request = pb.ValidateJWTSVIDRequest(svid=token, audience=audience)
        response = await self._call(self._stub.ValidateJWTSVID, request)
        return messages.validated_jwt_svid(response)

    async def fetch_jwt_bundles(self) -> BundleSet[JwtBundle]:
        """The JWT bundles that the workload may verify with."""
        return await self._first(_JWT_BUNDLES)

    async def fetch_x509_context(self) -> X509Context:
        """The workload's X.509-SVIDs and bundles."""
        return await self._first(_X509_CONTEXT)

    async def fetch_x509_bundles(self) -> BundleSet[X509Bundle]:
        """The X.509 bundles that the workload may verify with."""
        return await self._first(_X509_BUNDLES)

    def watch_jwt_bundles(
        self, on_state: StateListener | None = None
    ) -> Watch[BundleSet[JwtBundle]]:
        """The JWT bundles, at once and at every change."""
        return self._watch(_JWT_BUNDLES, on_state)

    def watch_x509_context(self, on_state: StateListener | None = None) -> Watch[X509Context]:
        """The X.509-SVIDs and bundles, at once and at every change."""
        return self._watch(_X509_CONTEXT, on_state)

    def watch_x509_bundles(
        self, on_state: StateListener | None = None
    ) -> Watch[BundleSet[X509Bundle]]:
        """The X.509 bundles, at once and at every change."""
        return self._watch(_X509_BUNDLES, on_state)

    async def _call(self, method: Any, request: Any) -> Any:
        call = method(request, timeout=self.timeout, metadata=(SECURITY_HEADER,))
        return await answer(call, self._agent)

    async def _first(self, stream: _Stream[T]) -> T:
        call = self._open(stream, timeout=self.timeout)
        try:
            return stream.parse(await answer(call.read(), self._agent))
        finally:
            call.cancel()

    def _watch(self, stream: _Stream[T], on_state: StateListener | None) -> Watch[T]:
        return Watch(
            lambda: self._open(stream),
            stream.parse,
            self._agent,
            first_message_timeout=self.timeout,
            on_state=on_state,
            clock=self._clock,
        )

    def _open(self, stream: _Stream[T], **options: Any) -> grpc.aio.UnaryStreamCall[Any, Any]:
        method = getattr(self._stub, stream.method)
        call: grpc.aio.UnaryStreamCall[Any, Any] = method(
            stream.request(), metadata=(SECURITY_HEADER,), **options
        )
        return call


@dataclass(frozen=True, slots=True)
class _Stream(Generic[T]):
    """One streaming call: its name, its (empty) request, and what a message means."""

    method: str
    request: Callable[[], Any]
    parse: Callable[[Any], T]


_JWT_BUNDLES = _Stream("FetchJWTBundles", pb.JWTBundlesRequest, messages.jwt_bundles)
_X509_CONTEXT = _Stream("FetchX509SVID", pb.X509SVIDRequest, messages.x509_context)
_X509_BUNDLES = _Stream("FetchX509Bundles", pb.X509BundlesRequest, messages.x509_bundles)
