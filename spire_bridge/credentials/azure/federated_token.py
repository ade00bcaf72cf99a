"""The file of AZURE_FEDERATED_TOKEN_FILE: when it is rewritten, and what is too short for it.

azure-identity reads the file, and shows what it read for the next ten minutes. So whatever is in
the file at any moment has to be good for longer than that. Pure.
"""

from __future__ import annotations

from spire_bridge.cloud.lint_finding import LintFinding, Severity
from spire_bridge.spiffe.jwt_svid import UnverifiedJwtSvid

SDK_KEEPS_SECONDS = 600
MARGIN_SECONDS = 60  # of clocks, and of the call itself
LEAST_LEFT_SECONDS = SDK_KEEPS_SECONDS + MARGIN_SECONDS
# An agent hands out a token until half of its life is over.
LEAST_LIFETIME_SECONDS = 2 * LEAST_LEFT_SECONDS

_SHORTEST_SECONDS = 1.0


def rewrite_at(now: float, expires_at: int) -> float:
    """When the next token is due: at half of what is left, or before too little is left.

    At half of what is left too for one that is too short from the start. Times are in seconds
    since the epoch.
    """
    half = now + max(_SHORTEST_SECONDS, (expires_at - now) / 2)
    latest = expires_at - LEAST_LEFT_SECONDS
    return min(half, latest) if latest > now else half


def lint_lifetime(svid: UnverifiedJwtSvid) -> LintFinding | None:
    """None if tokens live as long as azure-identity needs them, or don't say when they began."""
    if svid.issued_at is None:
        return None
    lifetime = svid.expires_at - svid.issued_at
    if lifetime >= LEAST_LIFETIME_SECONDS:
        return None
    return LintFinding(
        rule="azure-token-lifetime",
        severity=Severity.WARNING,
        place=str(svid.spiffe_id),
        message=f"its JWT-SVIDs last {lifetime} s; azure-identity shows one for"
        f" {SDK_KEEPS_SECONDS} s after reading it, so that some will have expired",
        fix=f"set jwtSVIDTTL of its entry to {LEAST_LIFETIME_SECONDS} s or more"
        " (spire-server entry update -jwtSVIDTTL)",
    )
