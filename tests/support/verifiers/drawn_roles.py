"""Roles of JWT auth that bind a workload in every way there is."""

from __future__ import annotations

from typing import Any

from verifiers.drawn_tokens import AUDIENCE, WEB, Draw

_BOUND_CLAIMS: tuple[dict[str, Any], ...] = (
    {"team": "payments"},
    {"team": ["billing", "payments"]},
    {"team": []},
    {"n": 5},
    {"n": [5, 7]},
    {"n": 5.7},
    {"n": "5"},
    {"email_verified": True},
    {"email_verified": [True, "true"]},
    {"groups": ["web"]},
    {"groups": "db"},
    {"/nested/name": "deep"},
    {"/nested/list/1": "y"},
    {"/nested/list/7": "y"},
    {"/nested/a~1b": "slash"},
    {"/nested/empty": "x"},
    {"aud": [AUDIENCE]},
    {"sub": WEB, "team": "payments"},
    {"team": "payments", "absent": "x"},
)
_GLOBS: tuple[dict[str, Any], ...] = (
    {"sub": "spiffe://peers.test/ns/prod/*"},
    {"sub": ["spiffe://peers.test/*/sa/web", "x"]},
    {"sub": "*/web"},
    {"sub": "*"},
    {"sub": "spiffe://*/prod/*/db"},
    {"team": "pay*"},
    {"team": "*a*e*"},
    {"team": "pay*pay*"},
    {"groups": ["w*", "zz"]},
    {"n": "5*"},
    {"aud": "rely*"},
)


def role(draw: Draw) -> dict[str, Any]:
    """As it is written, with what is drawn left to its default where there is one."""
    drawn = _bindings(draw)
    chance = draw.random.random
    if chance() < 0.2:
        pointer = draw.any("/nested/name", "/sub", "sub", "aud", "/nested/none")
        drawn |= {"user_claim": pointer, "user_claim_json_pointer": True}
    if chance() < 0.3:
        drawn["groups_claim"] = draw.any(
            "groups", "groups", "team", "n", "absent", "/nested/list", "nested"
        )
    if chance() < 0.3:
        drawn["claim_mappings"] = draw.any(
            {"team": "team"},
            {"/nested/name": "name", "absent": "x"},
            {"n": "n"},
            {"aud": "for"},
            {"nested": "all"},
        )
    for name in ("clock_skew_leeway", "expiration_leeway", "not_before_leeway"):
        if chance() < 0.3:
            drawn[name] = draw.any(0, -1, 150, 1000)
    if chance() < 0.03:
        drawn |= {"role_type": "oidc", "allowed_redirect_uris": ["https://app.test"]}
    if not any(drawn.get(name) for name in ("bound_audiences", "bound_subject", "bound_claims")):
        drawn["bound_subject"] = WEB
    return drawn


def _bindings(draw: Draw) -> dict[str, Any]:
    chance = draw.random.random
    drawn: dict[str, Any] = {
        "role_type": "jwt",
        "user_claim": draw.any(*["sub"] * 18, "team", "team", "n", "absent", "empty"),
        "bound_audiences": draw.any(*[[AUDIENCE]] * 8, ["x", AUDIENCE], ["x"], []),
        "token_policies": draw.any([], ["web"], ["Web", "web", "db"]),
        "token_no_default_policy": draw.any(False, False, True),
    }
    if chance() < 0.5:
        drawn["bound_subject"] = draw.any(WEB, WEB, WEB, "spiffe://peers.test/other")
    if chance() < 0.5:
        drawn["bound_claims"] = draw.any(*_BOUND_CLAIMS)
    elif chance() < 0.6:
        drawn |= {"bound_claims_type": "glob", "bound_claims": draw.any(*_GLOBS)}
    return drawn
