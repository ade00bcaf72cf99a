"""The agent: its socket, the workload's entry, and the SVIDs that come of it."""

from __future__ import annotations

import asyncio
import socket
import stat
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import replace
from pathlib import Path
from typing import TypeVar
from urllib.parse import urlsplit

from spire_bridge.cloud.presented_token import shown
from spire_bridge.errors import BridgeError
from spire_bridge.service.doctor.context import Asked, Context
from spire_bridge.service.doctor.finding import Finding
from spire_bridge.service.doctor.lifetime import AT_AGENT, ending, is_overdue
from spire_bridge.service.doctor.selectors import entry_advice
from spire_bridge.spiffe.jwt_svid import UnverifiedJwtSvid
from spire_bridge.transport.rpc_errors import PermissionDenied, Unavailable, socket_error
from spire_bridge.workload.address import EndpointAddress
from spire_bridge.workload.client import WorkloadClient
from spire_bridge.workload.errors import agent_at

SOCKET, ENTRY, JWT_SVID, X509_SVID = "socket", "entry", "jwt-svid", "x509-svid"

CLOCK_ADVICE = "is a clock wrong, here or at the SPIRE server? chronyc tracking, timedatectl"
_RENEWAL_ADVICE = "can the agent reach its server? spire-agent healthcheck, and the agent's log"
_SHOWN = 5

T = TypeVar("T")


def ask_agent(asked: Asked, call: Callable[[WorkloadClient], Awaitable[T]]) -> T:
    """One call to the agent. Blocks; raises what the call does."""

    async def ask() -> T:
        # At the epoch nothing has expired: what has is judged here, not refused.
        timeout = asked.timeout_seconds
        async with WorkloadClient(asked.address, timeout=timeout, clock=lambda: 0.0) as client:
            return await call(client)

    return asyncio.run(ask())


def check_socket(context: Context) -> tuple[Context, tuple[Finding, ...]]:
    """The address is one, the socket is there, and somebody listens."""
    address = EndpointAddress.locate(context.asked.address, context.asked.environment)
    path = address.socket_path
    error = socket_error(agent_at(address))
    if error is not None:
        return context, (Finding.of(SOCKET, error),)
    try:
        _connect(address, context.asked.timeout_seconds)
    except OSError as refused:
        raise Unavailable(
            f"nobody listens at {address}: {refused.strerror or 'no answer in time'}",
            hint="is the agent running? systemctl status spire-agent, or the agent's pod there",
        ) from None
    seen = str(address)
    if path is not None:
        status = Path(path).stat()
        mode = stat.S_IMODE(status.st_mode)
        seen = f"{address}, mode {mode:04o}, owner {status.st_uid}:{status.st_gid}"
    asked = replace(context.asked, address=address.uri)
    return replace(context, asked=asked), (Finding.ok(SOCKET, seen),)


def _connect(address: EndpointAddress, timeout_seconds: float) -> None:
    if address.socket_path is None:
        parts = urlsplit(address.uri)
        socket.create_connection((parts.hostname, parts.port), timeout_seconds).close()
        return
    with socket.socket(socket.AF_UNIX) as client:
        client.settimeout(timeout_seconds)
        client.connect(str(address.socket_path))


def check_entry(context: Context) -> tuple[Context, tuple[Finding, ...]]:
    """The agent gives this workload an identity, and the one that is meant is among them."""
    asked = context.asked
    try:
        svids = ask_agent(asked, lambda client: client.fetch_jwt_svids(asked.token_audience))
    except PermissionDenied as error:
        return context, (Finding.of(ENTRY, error, *entry_advice(asked.spiffe_id)),)
    except Unavailable as error:
        return context, (Finding.of(ENTRY, error, _server_advice(asked)),)
    chosen = next((svid for svid in svids if _is_meant(svid, asked)), None)
    if chosen is None:
        return context, (_not_among(svids, asked),)
    context = replace(context, svids=svids, svid=chosen)
    return context, (Finding.ok(ENTRY, _identities(svids)),)


def _server_advice(asked: Asked) -> str:
    """An agent has X.509-SVIDs in its memory, and asks its server for each new token."""
    try:
        ask_agent(asked, lambda client: client.fetch_x509_context())
    except BridgeError:
        return ""
    return f"the agent gives X.509-SVIDs from its memory, but no token: {_RENEWAL_ADVICE}"


def _is_meant(svid: UnverifiedJwtSvid, asked: Asked) -> bool:
    by_id = asked.spiffe_id is None or svid.spiffe_id == asked.spiffe_id
    return by_id and (asked.hint is None or svid.hint == asked.hint)


def _not_among(svids: Iterable[UnverifiedJwtSvid], asked: Asked) -> Finding:
    status = PermissionDenied.exit_status
    has = f"the agent gives this workload {_identities(svids)}"
    if asked.hint is not None:
        return Finding.failed(
            ENTRY,
            "HINT_NOT_FOUND",
            f"{has}; none with the hint {asked.hint!r}",
            "the operator sets it: spire-server entry update -hint, with the entry's other fields",
            exit_status=status,
        )
    seen = f"{has}; not {asked.spiffe_id}"
    advice = entry_advice(asked.spiffe_id)
    return Finding.failed(ENTRY, "IDENTITY_NOT_ISSUED", seen, *advice, exit_status=status)


def _identities(svids: Iterable[UnverifiedJwtSvid]) -> str:
    names = [f"{s.spiffe_id} (hint {s.hint})" if s.hint else str(s.spiffe_id) for s in svids]
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return f"{', '.join(names[:_SHOWN])}{more}"


def check_jwt_svid(context: Context) -> tuple[Context, tuple[Finding, ...]]:
    """The JWT-SVID is alive, and was renewed in time."""
    svid = context.svid
    assert svid is not None
    life = (svid.issued_at, svid.expires_at)
    seen = f"{svid.spiffe_id}, {svid.algorithm}, key {shown(svid.key_id)}"
    return context, (_judged(JWT_SVID, seen, life, context.asked.clock()),)


def check_x509_svid(context: Context) -> tuple[Context, tuple[Finding, ...]]:
    """The X.509-SVIDs are there, alive, and were renewed in time."""
    x509 = ask_agent(context.asked, lambda client: client.fetch_x509_context())
    chosen = context.svid
    assert chosen is not None
    context = replace(context, x509=x509)
    svid = next((s for s in x509.svids if s.spiffe_id == chosen.spiffe_id), None)
    if svid is None:
        seen = f"there is none of {chosen.spiffe_id} among {len(x509.svids)}"
        return context, (Finding.failed(X509_SVID, "IDENTITY_NOT_ISSUED", seen),)
    life = (svid.leaf.not_valid_before_utc.timestamp(), svid.expires_at.timestamp())
    return context, (_judged(X509_SVID, str(svid.spiffe_id), life, context.asked.clock()),)


def _judged(check: str, seen: str, life: tuple[float | None, float], now: float) -> Finding:
    issued_at, expires_at = life
    seen = f"{seen}, {ending(expires_at, now)}"
    if expires_at <= now:
        return Finding.failed(check, "SVID_EXPIRED", seen, CLOCK_ADVICE, _RENEWAL_ADVICE)
    if is_overdue(issued_at, expires_at, now, share=AT_AGENT):
        seen = f"{seen}: past half of its life, and not renewed"
        return Finding.warned(check, "SVID_NOT_RENEWED", seen, _RENEWAL_ADVICE, CLOCK_ADVICE)
    return Finding.ok(check, seen)
