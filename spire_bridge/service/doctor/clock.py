"""This machine's clock beside that of the SPIRE server and that of the issuer."""

from __future__ import annotations

import secrets

from spire_bridge.errors import BridgeError
from spire_bridge.service.doctor.agent import ask_agent
from spire_bridge.service.doctor.context import DEFAULT_AUDIENCE, Context
from spire_bridge.service.doctor.finding import Finding

CLOCK = "clock"

WARN_SECONDS = 60.0
FAIL_SECONDS = 300.0  # what clouds forgive

_HERE = "set this machine's clock: chronyc tracking, chronyc makestep, timedatectl"
_AT_SERVER = "set the SPIRE server's clock: chronyc tracking there, chronyc makestep, timedatectl"
_AT_ISSUER = "look at the clock of the issuer's machine: chronyc tracking there"
_EITHER = f"{_HERE}; or the SPIRE server's"


def check_clock(context: Context) -> tuple[Context, tuple[Finding, ...]]:
    """All three agree to a minute; verifiers forgive five."""
    try:
        server = _server_ahead(context)
    except BridgeError as error:
        seen = f"the agent gives no new token, so what it has is from its cache: {error.message}"
        return context, (Finding.warned(CLOCK, error.code, seen, error.hint or ""),)
    issuer = context.issuer_ahead_seconds
    return context, (judge_clocks(server, issuer),)


def _server_ahead(context: Context) -> float | None:
    """How far the SPIRE server's clock is ahead; None if its tokens don't tell.

    The audience is one that was never asked for: agents cache tokens by it, and this one has
    to be signed now. The time that the call took is forgiven.
    """
    asked, chosen = context.asked, context.svid
    assert chosen is not None
    audience = f"{DEFAULT_AUDIENCE}-{secrets.token_hex(8)}"
    before = asked.clock()
    fresh, *_ = ask_agent(
        asked, lambda client: client.fetch_jwt_svids([audience], spiffe_id=chosen.spiffe_id)
    )
    after = asked.clock()
    issued_at = fresh.issued_at
    if issued_at is None:
        return None
    if issued_at > after:
        return issued_at - after
    return min(0.0, issued_at + 1 - before)  # it is in whole seconds


def judge_clocks(server: float | None, issuer: float | None) -> Finding:
    """From how far each is ahead of this machine's, in seconds; None where it isn't known."""
    known = [("SPIRE server", server), ("issuer", issuer)]
    parts = [f"the {name}'s {_apart(ahead)}" for name, ahead in known if ahead is not None]
    worst = max((abs(ahead) for _, ahead in known if ahead is not None), default=0.0)
    if not parts:
        return Finding.skipped(CLOCK, "neither the SVID nor the issuer tells the time")
    seen = ", ".join(parts)
    if worst <= WARN_SECONDS:
        return Finding.ok(CLOCK, seen)
    advice = _advice(server, issuer)
    if worst <= FAIL_SECONDS:
        return Finding.warned(CLOCK, "CLOCK_SKEWED", seen, advice)
    return Finding.failed(CLOCK, "CLOCK_SKEWED", seen, advice)


def _advice(server: float | None, issuer: float | None) -> str:
    """Of three clocks, the one that is alone is wrong."""
    if server is None or issuer is None:
        return _EITHER
    if abs(issuer) <= WARN_SECONDS:
        return _AT_SERVER
    if abs(server) <= WARN_SECONDS:
        return _AT_ISSUER
    return _HERE if abs(server - issuer) <= WARN_SECONDS else _EITHER


def _apart(ahead: float) -> str:
    if abs(ahead) < 2:
        return "agrees"
    return f"is {abs(ahead):.0f} s {'ahead of' if ahead > 0 else 'behind'} this machine's"
