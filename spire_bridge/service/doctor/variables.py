"""The variables of clouds' clients, as far as they make or break the use of an SVID."""

from __future__ import annotations

from spire_bridge.service.doctor.context import Context
from spire_bridge.service.doctor.finding import Finding

ENVIRONMENT = "environment"

# By the variable that names a token's file: what a client ignores it without, and what it
# takes in preference to it.
_COMPANIONS = {
    "AWS_WEB_IDENTITY_TOKEN_FILE": ("AWS_ROLE_ARN",),
    "AZURE_FEDERATED_TOKEN_FILE": ("AZURE_CLIENT_ID", "AZURE_TENANT_ID"),
}
_RIVALS = {
    "AWS_WEB_IDENTITY_TOKEN_FILE": ("AWS_ACCESS_KEY_ID",),
    "AZURE_FEDERATED_TOKEN_FILE": ("AZURE_CLIENT_SECRET",),
}


def check_environment(context: Context) -> tuple[Context, tuple[Finding, ...]]:
    """What goes with a named token is set, and nothing is that is preferred to it."""
    environment = context.asked.environment
    named = [variable for variable in _COMPANIONS if environment.get(variable)]
    if not named:
        return context, (Finding.skipped(ENVIRONMENT, f"none of {', '.join(_COMPANIONS)} is set"),)
    findings = []
    for variable in named:
        for missing in (name for name in _COMPANIONS[variable] if not environment.get(name)):
            seen = f"not set, and {variable} is: clients ignore the token"
            findings.append(_warned("VARIABLE_MISSING", seen, f"export {missing}=…", missing))
        for rival in (name for name in _RIVALS[variable] if environment.get(name)):
            seen = f"set, and clients take it in preference to {variable}"
            findings.append(_warned("VARIABLE_PREFERRED", seen, f"unset {rival}", rival))
    return context, tuple(findings) or (Finding.ok(ENVIRONMENT, ", ".join(named)),)


def _warned(code: str, seen: str, hint: str, about: str) -> Finding:
    return Finding.warned(ENVIRONMENT, code, seen, hint, about=about)
