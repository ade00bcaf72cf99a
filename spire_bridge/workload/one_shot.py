"""One call to the agent, for commands that make no other: they block, and end after it."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Iterable

from spire_bridge.spiffe.id import SpiffeId
from spire_bridge.spiffe.jwt_svid import UnverifiedJwtSvid
from spire_bridge.transport.unary.errors import NotUnderstood
from spire_bridge.workload.address import EndpointAddress
from spire_bridge.workload.calls import DEFAULT_TIMEOUT_SECONDS, audience_names
from spire_bridge.workload.identity import Identity
from spire_bridge.workload.jwt_svids import checked_jwt_svids
from spire_bridge.workload.quick_fetch import fetch_jwt_svid_messages

TYPE_CHECKING = False
if TYPE_CHECKING:  # the gRPC library takes longer to load than a token takes to come
    from typing import TypeVar

    from spire_bridge.spiffe.jwt_bundle import JwtBundle
    from spire_bridge.spiffe.x509_bundle import X509Bundle
    from spire_bridge.workload.client import WorkloadClient
    from spire_bridge.workload.messages import BundleSet, X509Context

    T = TypeVar("T")

# What the gRPC library is given at least, when it is asked for an answer that was not understood.
_LEAST_SECONDS = 0.1


def fetch_jwt_svids(
    audience: Iterable[str],
    *,
    address: str | None = None,
    spiffe_id: str | None = None,
    timeout: float = DEFAULT_TIMEOUT_SECONDS,
) -> tuple[UnverifiedJwtSvid, ...]:
    """As `WorkloadClient.fetch_jwt_svids`, without loading what that takes.

    Where the quick call meets anything but a plain answer, the client is asked instead, so
    that all errors are the client's.
    """
    endpoint = EndpointAddress.locate(address)
    names = audience_names(audience)
    wanted = SpiffeId.parse(spiffe_id) if spiffe_id is not None else None
    deadline = time.monotonic() + timeout
    try:
        messages = fetch_jwt_svid_messages(endpoint, names, wanted, deadline=deadline)
    except NotUnderstood:
        left = max(deadline - time.monotonic(), _LEAST_SECONDS)
        return _ask(address, left, lambda client: client.fetch_jwt_svids(names, spiffe_id=wanted))
    return checked_jwt_svids(messages, names, wanted, time.time())


def fetch_jwt_svid(
    audience: Iterable[str],
    *,
    address: str | None = None,
    spiffe_id: str | None = None,
    hint: str | None = None,
    timeout: float = DEFAULT_TIMEOUT_SECONDS,
) -> UnverifiedJwtSvid:
    """The JWT-SVID of one identity: by ID, by hint, or the default one.

    Raises what `WorkloadClient.fetch_jwt_svids` raises, and `HintNotFound`.
    """
    svids = fetch_jwt_svids(audience, address=address, spiffe_id=spiffe_id, timeout=timeout)
    return Identity(hint=hint).among(svids)


def fetch_x509_context(
    *, address: str | None = None, timeout: float = DEFAULT_TIMEOUT_SECONDS
) -> X509Context:
    """As `WorkloadClient.fetch_x509_context`."""
    return _ask(address, timeout, lambda client: client.fetch_x509_context())


def fetch_bundles(
    *, address: str | None = None, timeout: float = DEFAULT_TIMEOUT_SECONDS
) -> tuple[BundleSet[JwtBundle], BundleSet[X509Bundle]]:
    """The bundles of both kinds that `WorkloadClient` fetches."""

    async def both(
        client: WorkloadClient,
    ) -> tuple[BundleSet[JwtBundle], BundleSet[X509Bundle]]:
        return await client.fetch_jwt_bundles(), await client.fetch_x509_bundles()

    return _ask(address, timeout, both)


def _ask(address: str | None, timeout: float, call: Callable[[WorkloadClient], Awaitable[T]]) -> T:
    import asyncio

    from spire_bridge.workload.client import WorkloadClient

    async def ask() -> T:
        async with WorkloadClient(address, timeout=timeout) as client:
            return await call(client)

    return asyncio.run(ask())
