"""AuthenticationConfigurations that make users of tokens in every way there is."""

from __future__ import annotations

from typing import Any

from verifiers.drawn_tokens import AUDIENCE, ISSUER, Draw

_CLAIM_RULES: tuple[dict[str, Any], ...] = (
    {"claim": "team", "requiredValue": "payments"},
    {"claim": "jti", "requiredValue": ""},
    {"claim": "n", "requiredValue": "5"},
    {"claim": "absent", "requiredValue": "x"},
    {"expression": "claims.sub.startsWith('spiffe://peers.test/')", "message": "another domain"},
    {"expression": "claims.email_verified == true", "message": "unverified"},
    {"expression": "claims.exp - claims.iat <= 600.0", "message": "lives too long"},
    {"expression": "claims.n == 5", "message": "n"},
    {"expression": "'web' in claims.groups", "message": "no web"},
    {"expression": "has(claims.team) && claims.team == 'payments'", "message": ""},
    {"expression": "claims.?team.orValue('') == 'payments'", "message": "team"},
    {"expression": "claims.nested.name == 'deep'", "message": "name"},
    {"expression": "claims.nested.a__slash__b == 'slash'", "message": "slash"},
    {"expression": "claims.sub.split('/').size() == 7", "message": "path"},
    {"expression": "dyn(claims.groups).all(g, g != 'db')", "message": "db"},
    {"expression": "claims.sub.matches('^spiffe://[^/]+/ns/prod/')", "message": "not prod"},
)
_USER_RULES: tuple[dict[str, Any], ...] = (
    {"expression": "!user.username.startsWith('system:')", "message": "system user"},
    {"expression": "user.groups.all(g, !g.startsWith('system:'))", "message": "system group"},
    {"expression": "user.username.endsWith('/web')", "message": "not web"},
    {"expression": "size(user.uid) > 0", "message": "no uid"},
    {"expression": "'peers.test/team' in user.extra", "message": "no team"},
    {"expression": "user.groups.exists(g, g == 'web')", "message": "not in web"},
)
_USERNAMES: tuple[dict[str, Any], ...] = (
    {"claim": "sub", "prefix": ""},
    {"claim": "sub", "prefix": "spiffe:"},
    {"claim": "email", "prefix": ""},
    {"claim": "team", "prefix": "x"},
    {"claim": "n", "prefix": ""},
    {"expression": "claims.sub"},
    {"expression": "'w:' + claims.sub"},
    {"expression": "claims.team"},
    {"expression": "claims.nested.name"},
    {"expression": "claims.n"},
    {"expression": "claims.sub.split('/')[4] + '-' + claims.sub.split('/')[6]"},
    {"expression": "claims.?team.orValue('nobody')"},
)
_GROUPS: tuple[dict[str, Any], ...] = (
    {"claim": "groups", "prefix": ""},
    {"claim": "groups", "prefix": "spire:"},
    {"claim": "team", "prefix": ""},
    {"claim": "n", "prefix": ""},
    {"expression": "claims.groups"},
    {"expression": "dyn(claims.groups).map(g, 'x:' + g)"},
    {"expression": "[claims.team]"},
    {"expression": "claims.nested"},
)
_UIDS: tuple[dict[str, Any], ...] = (
    {"claim": "jti"},
    {"claim": "absent"},
    {"expression": "claims.sub"},
    {"expression": "claims.n"},
)
_EXTRA: tuple[list[dict[str, Any]], ...] = (
    [{"key": "peers.test/team", "valueExpression": "claims.team"}],
    [{"key": "peers.test/n", "valueExpression": "claims.n"}],
    [
        {"key": "peers.test/team", "valueExpression": "claims.?team.orValue('')"},
        {"key": "peers.test/list", "valueExpression": "claims.nested.list"},
    ],
)


def configuration(draw: Draw) -> dict[str, Any]:
    """One with the issuer's entry, mostly alone."""
    entries = [_entry(draw)]
    if draw.random.random() < 0.2:
        other = {**_entry(draw), "issuer": _issuer(draw, "https://other.test")}
        entries.insert(draw.any(0, 1), other)
    return {
        "apiVersion": f"apiserver.config.k8s.io/{draw.any('v1', 'v1beta1')}",
        "kind": "AuthenticationConfiguration",
        "jwt": entries,
    }


def _entry(draw: Draw) -> dict[str, Any]:
    chance = draw.random.random
    mappings: dict[str, Any] = {"username": draw.any(*_USERNAMES[:2], *_USERNAMES[:2], *_USERNAMES)}
    entry = {"issuer": _issuer(draw, draw.any(*[ISSUER] * 9, f"{ISSUER}/"))}
    entry["claimMappings"] = mappings
    if chance() < 0.4:
        mappings["groups"] = draw.any(*_GROUPS)
    if chance() < 0.3:
        mappings["uid"] = draw.any(*_UIDS)
    if chance() < 0.3:
        mappings["extra"] = draw.any(*_EXTRA)
    if chance() < 0.6:
        entry["claimValidationRules"] = draw.random.sample(_CLAIM_RULES, draw.any(1, 1, 2))
    if chance() < 0.4:
        entry["userValidationRules"] = draw.random.sample(_USER_RULES, draw.any(1, 1, 2))
    return entry


def _issuer(draw: Draw, url: str) -> dict[str, Any]:
    audiences = draw.any(*[[AUDIENCE]] * 6, ["x", AUDIENCE], ["x", AUDIENCE], ["x"], ["y", "x"])
    return {"url": url, "audiences": audiences, "audienceMatchPolicy": "MatchAny"}


def broken_configurations() -> list[dict[str, Any]]:
    """Each wrong in one thing."""
    broken: list[dict[str, Any]] = []
    for change in _BREAKS:
        entry: dict[str, Any] = {
            "issuer": {"url": ISSUER, "audiences": [AUDIENCE]},
            "claimMappings": {"username": {"claim": "sub", "prefix": ""}},
        }
        for path, value in change.items():
            _put(entry, path.split("."), value)
        broken.append(of_entries(entry))
    entry = {
        "issuer": {"url": ISSUER, "audiences": [AUDIENCE]},
        "claimMappings": {"username": {"claim": "sub", "prefix": ""}},
    }
    broken += [
        of_entries(entry, entry),
        of_entries(*[entry] * 65),
        {**of_entries(entry), "kind": "Other"},
    ]
    discovered = {**entry, "issuer": {**entry["issuer"], "discoveryURL": "https://d.test/x"}}
    second = {**discovered, "issuer": {**discovered["issuer"], "url": "https://second.test"}}
    broken.append(of_entries(discovered, second))
    broken.append(
        {**of_entries(entry), "anonymous": {"enabled": False, "conditions": [{"path": "/x"}]}}
    )
    return broken


def of_entries(*entries: dict[str, Any]) -> dict[str, Any]:
    """A configuration of these entries of `jwt`."""
    return {
        "apiVersion": "apiserver.config.k8s.io/v1",
        "kind": "AuthenticationConfiguration",
        "jwt": list(entries),
    }


def _put(entry: dict[str, Any], path: list[str], value: Any) -> None:
    *parents, last = path
    for parent in parents:
        entry = entry.setdefault(parent, {})
    entry[last] = value


_RULES = "claimValidationRules"
_USERNAME = "claimMappings.username"
_KEY = "claimMappings.extra"
_BREAKS: tuple[dict[str, Any], ...] = (
    {"issuer.url": ""},
    {"issuer.url": "http://issuer.test"},
    {"issuer.url": "https://me@issuer.test"},
    {"issuer.url": "https://issuer.test?x=1"},
    {"issuer.url": "https://issuer.test#x"},
    {"issuer.discoveryURL": f"{ISSUER}/"},
    {"issuer.discoveryURL": "http://elsewhere.test/x"},
    {"issuer.audiences": []},
    {"issuer.audiences": ["a", ""], "issuer.audienceMatchPolicy": "MatchAny"},
    {"issuer.audiences": ["a", "a"], "issuer.audienceMatchPolicy": "MatchAny"},
    {"issuer.audiences": ["a", "b"]},
    {"issuer.audienceMatchPolicy": "MatchAll"},
    {"issuer.certificateAuthority": "no PEM"},
    {"issuer.egressSelectorType": "x"},
    {_USERNAME: {"claim": "sub"}},
    {_USERNAME: {}},
    {_USERNAME: {"claim": "sub", "prefix": "", "expression": "claims.sub"}},
    {_USERNAME: {"expression": "claims.sub", "prefix": "x"}},
    {_USERNAME: {"expression": "claims.email"}},
    {_USERNAME: {"expression": "user.username"}},
    {_USERNAME: {"expression": "claims.sub +"}},
    {"claimMappings.groups": {"claim": "groups"}},
    {"claimMappings.groups": {"claim": "g", "prefix": "", "expression": "claims.g"}},
    {"claimMappings.uid": {"claim": "g", "expression": "claims.g"}},
    {_KEY: [{"key": "", "valueExpression": "claims.x"}]},
    {_KEY: [{"key": "team", "valueExpression": "claims.x"}]},
    {_KEY: [{"key": "a.test/Team", "valueExpression": "claims.x"}]},
    {_KEY: [{"key": "kubernetes.io/x", "valueExpression": "claims.x"}]},
    {_KEY: [{"key": "x.k8s.io/x", "valueExpression": "claims.x"}]},
    {_KEY: [{"key": "a.test/x", "valueExpression": ""}]},
    {_KEY: [{"key": "a.test/x", "valueExpression": "claims.x"}] * 2},
    {_RULES: [{}]},
    {_RULES: [{"claim": "a", "expression": "true"}]},
    {_RULES: [{"claim": "a", "message": "m"}]},
    {_RULES: [{"claim": "a"}, {"claim": "a"}]},
    {_RULES: [{"expression": "true", "requiredValue": "x"}]},
    {_RULES: [{"expression": "true"}, {"expression": "true"}]},
    {_RULES: [{"expression": "claims.x"}]},
    {_RULES: [{"expression": "claims.x +"}]},
    {_RULES: [{"expression": "claims.groups.all(g, g != 'db')"}]},
    {"claimMappings.groups": {"expression": "claims.groups.map(g, g)"}},
    {"userValidationRules": [{"message": "x"}]},
    {"userValidationRules": [{"expression": "user.username"}]},
    {"userValidationRules": [{"expression": "claims.x == 1"}]},
    {"userValidationRules": [{"expression": "true"}, {"expression": "true"}]},
)
