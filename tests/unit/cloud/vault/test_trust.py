"""Descriptions of roles and mounts: as Vault prints them, as people write them, and wrong ones."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spire_bridge.cloud.lint_finding import Severity
from spire_bridge.cloud.trust_errors import InvalidTrust
from spire_bridge.cloud.vault.claims import Product
from spire_bridge.cloud.vault.jwt_auth import lint, parse_trust

ROLE = {"role_type": "jwt", "user_claim": "sub", "bound_audiences": ["a"], "bound_subject": "s"}
CONFIG = {"oidc_discovery_url": "https://i.test", "bound_issuer": "https://i.test"}


def parse(described: Any) -> Any:
    return parse_trust(json.dumps(described).encode(), name="role.json")


@pytest.mark.parametrize(
    ("described", "has_role", "has_mount"),
    [
        (ROLE, True, False),
        ({"request_id": "x", "data": ROLE}, True, False),
        (CONFIG, False, True),
        ({"data": CONFIG}, False, True),
        ({"role": ROLE, "config": CONFIG}, True, True),
        ({"role": {"data": ROLE}, "config": {"data": CONFIG}}, True, True),
    ],
)
def test_forms(described: Any, has_role: bool, has_mount: bool) -> None:
    trust = parse(described)
    assert (trust.role is not None, trust.mount is not None) == (has_role, has_mount)


def test_the_product_is_told_or_known_by_its_fields() -> None:
    assert parse(ROLE).product is Product.VAULT
    assert parse({**ROLE, "callback_mode": "client"}).product is Product.OPENBAO
    assert parse({"role": ROLE, "product": "OpenBao"}).product is Product.OPENBAO


def test_lists_and_durations_as_people_write_them() -> None:
    role = parse({**ROLE, "bound_audiences": "a, b", "clock_skew_leeway": "2m", "new": 1}).role
    assert (role.bound_audiences, role.clock_skew_leeway) == (("a", "b"), 120)


@pytest.mark.parametrize(
    ("described", "message"),
    [
        ([], "it is no JSON object"),
        ({}, "it is neither a role of JWT auth nor a mount's config"),
        ({"role": []}, "role: it is no JSON object"),
        ({**ROLE, "role_type": "x"}, "role_type: invalid 'role_type': x"),
        ({**ROLE, "user_claim": ""}, "user_claim: a user claim must be defined on the role"),
        ({**ROLE, "bound_audiences": 5}, "bound_audiences: it is no list of strings"),
        ({**ROLE, "clock_skew_leeway": "x"}, "clock_skew_leeway: it is no duration in seconds"),
        (
            {**ROLE, "user_claim_json_pointer": 1},
            "user_claim_json_pointer: it is neither true nor false",
        ),
        ({**ROLE, "bound_claims": []}, "bound_claims: it is no JSON object"),
        ({**ROLE, "bound_claims": {"a": {}}}, "bound_claims.a: claim is not a string or list"),
        (
            {**ROLE, "bound_claims": {"a": 1}, "bound_claims_type": "glob"},
            "bound_claims.a: claim is not a string",
        ),
        ({**ROLE, "bound_claims_type": "x"}, "bound_claims_type: invalid 'bound_claims_type': x"),
        (
            {**ROLE, "claim_mappings": {"a": "role"}},
            (
                'claim_mappings.a: metadata key "role" is reserved and may not be a mapping '
                "destination"
            ),
        ),
        (
            {**ROLE, "claim_mappings": {"a": "x", "b": "x"}},
            'claim_mappings.b: multiple keys are mapped to metadata key "x"',
        ),
        (
            {"role_type": "jwt", "user_claim": "sub"},
            "must have at least one bound constraint when creating/updating a role",
        ),
        (
            {"bound_issuer": "x"},
            (
                "exactly one of 'jwt_validation_pubkeys', 'jwks_url', 'jwks_pairs' or "
                "'oidc_discovery_url' must be set"
            ),
        ),
        (
            {**CONFIG, "jwt_supported_algs": ["HS256"]},
            'jwt_supported_algs: invalid jwt_supported_algs: unsupported signing algorithm "HS256"',
        ),
        (
            {"jwt_validation_pubkeys": ["x"]},
            "jwt_validation_pubkeys[0]: data does not contain any valid RSA or ECDSA public keys",
        ),
        ({"jwks_pairs": [{}]}, "jwks_pairs: several JWKS URLs can't be evaluated yet"),
        ({"role": ROLE, "product": "x"}, "product: it is neither vault nor openbao: x"),
    ],
)
def test_what_is_wrong_is_said_with_its_place(described: Any, message: str) -> None:
    with pytest.raises(InvalidTrust) as refused:
        parse(described)
    assert refused.value.message == f"role.json: {message}"


@given(st.binary() | st.text().map(str.encode))
def test_any_bytes_are_a_description_or_refused(data: bytes) -> None:
    with pytest.raises(InvalidTrust, match=r"^role\.json: "):
        parse_trust(data, name="role.json")


def test_deep_and_large_descriptions_are_refused() -> None:
    for data in (b"[" * 100_000, b'{"data": {}' + b" " * 1024 * 1024 + b"}"):
        with pytest.raises(InvalidTrust):
            parse_trust(data, name="role.json")


def findings(described: Any) -> list[tuple[str, Severity, str]]:
    return [(found.rule, found.severity, found.place) for found in lint(parse(described))]


def test_a_role_that_is_well_bound_has_no_findings() -> None:
    assert findings({"role": ROLE, "config": CONFIG}) == []
    named = {**ROLE, "bound_subject": "", "bound_claims": {"sub": "spiffe://a/b"}}
    assert findings(named) == []


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"role_type": "oidc"}, ("role type", Severity.ERROR, "role.role_type")),
        ({"bound_subject": ""}, ("subject", Severity.ERROR, "role.bound_subject")),
        ({"bound_audiences": []}, ("audience", Severity.ERROR, "role.bound_audiences")),
        ({"user_claim": "team"}, ("user claim", Severity.WARNING, "role.user_claim")),
        ({"clock_skew_leeway": 301}, ("clock skew", Severity.WARNING, "role.clock_skew_leeway")),
        (
            {"bound_claims_type": "glob", "bound_claims": {"sub": "spiffe://a/ns/*"}},
            ("glob", Severity.WARNING, "role.bound_claims.sub"),
        ),
    ],
)
def test_findings_in_a_role(changes: dict[str, Any], expected: tuple[str, Severity, str]) -> None:
    assert findings({**ROLE, **changes}) == [expected]


def test_a_glob_without_a_path_crosses_nothing() -> None:
    glob = {"bound_claims_type": "glob", "bound_claims": {"team": "pay*"}}
    assert findings({**ROLE, **glob}) == []


@pytest.mark.parametrize(
    ("config", "expected"),
    [
        ({**CONFIG, "bound_issuer": ""}, ("issuer", Severity.WARNING, "config.bound_issuer")),
        (
            {**CONFIG, "bound_issuer": "https://i.test/"},
            ("issuer", Severity.ERROR, "config.bound_issuer"),
        ),
    ],
)
def test_findings_in_a_mount(config: dict[str, Any], expected: tuple[str, Severity, str]) -> None:
    assert findings(config) == [expected]
