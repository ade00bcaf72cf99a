"""One call to the agent, for commands that make no other: they block, and end after it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from typing import TYPE_CHECKING, TypeVar

from spire_bridge.spiffe.jwt_svid import UnverifiedJwtSvid
from spire_bridge.workload.client import DEFAULT_TIMEOUT_SECONDS, WorkloadClient
from spire_bridge.workload.errors import HintNotFound

if TYPE_CHECKING:
    from spire_bridge.workload.messages import X509Context

T = TypeVar("T")


def fetch_jwt_svids(
    audience: Iterable[str],
    *,
    address: str | None = None,
    spiffe_id: str | None = None,
    timeout: float = DEFAULT_TIMEOUT_SECONDS,
) -> tuple[UnverifiedJwtSvid, ...]:
    """As `WorkloadClient.fetch_jwt_svids`."""
    return _ask(
        address, timeout, lambda client: client.fetch_jwt_svids(audience, spiffe_id=spiffe_id)
    )


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
    if hint is None:
        return svids[0]
    for svid in svids:
        if svid.hint == hint:
            return svid
    offered = ", ".join(svid.hint for svid in svids if svid.hint) or "none"
    raise HintNotFound(
        f"no identity of this workload has the hint {hint!r}",
        hint=f"hints that the agent sent: {offered}",
    )


def fetch_x509_context(
    *, address: str | None = None, timeout: float = DEFAULT_TIMEOUT_SECONDS
) -> X509Context:
    """As `WorkloadClient.fetch_x509_context`."""
    return _ask(address, timeout, lambda client: client.fetch_x509_context())


def _ask(address: str | None, timeout: float, call: Callable[[WorkloadClient], Awaitable[T]]) -> T:
    async def ask() -> T:
        async with WorkloadClient(address, timeout=timeout) as client:
            return await call(client)

    return asyncio.run(ask())
