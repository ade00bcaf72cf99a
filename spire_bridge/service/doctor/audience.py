"""Whom the SVID is for."""

from __future__ import annotations

from spire_bridge.service.doctor.context import DEFAULT_AUDIENCE, Context
from spire_bridge.service.doctor.finding import Finding

AUDIENCE = "audience"


def check_audience(context: Context) -> tuple[Context, tuple[Finding, ...]]:
    """One audience. Whether a verifier takes it is for that verifier's clauses."""
    svid = context.svid
    assert svid is not None
    if svid.audience == (DEFAULT_AUDIENCE,):
        return context, (Finding.skipped(AUDIENCE, "none was named: --audience"),)
    seen = ", ".join(svid.audience)
    if len(svid.audience) > 1:
        hint = "each of them can show the token to the others: ask for one token for each"
        return context, (Finding.warned(AUDIENCE, "AUDIENCES_SEVERAL", seen, hint),)
    return context, (Finding.ok(AUDIENCE, seen),)
