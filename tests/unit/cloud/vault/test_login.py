"""Logins at Vault and OpenBao: every refusal in its words, and who comes through."""

from __future__ import annotations

import json
from typing import Any

import pytest
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from forgery.tokens import ec_key
from hypothesis import given
from hypothesis import strategies as st
from presented import ABSENT, ISSUER, KEY, NOW, WEB, documents, presentation, token

from spire_bridge.cloud.issuer_documents import IssuerDocuments
from spire_bridge.cloud.presentation import Presentation
from spire_bridge.cloud.presented_token import PresentedToken
from spire_bridge.cloud.rule import Outcome, Refusal, Verdict
from spire_bridge.cloud.vault import jwt_auth as vault
from spire_bridge.cloud.vault.jwt_auth import VaultTrust

INVALID = "error validating token: "
UNVERIFIED = f"{INVALID}error verifying token signature: "
ALGORITHMS = '["RS256" "RS384" "RS512" "ES256" "ES384" "ES512" "PS256" "PS384" "PS512" "EdDSA"]'
PEM = ec_key(1).public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()


def trusting(
    role: dict[str, Any] | None = None, config: dict[str, Any] | None = None, **more: Any
) -> VaultTrust:
    """The role `web`, bound to WEB and the audience `cluster`, with changes."""
    bound = {"role_type": "jwt", "user_claim": "sub", "bound_audiences": ["cluster"]}
    mount = {"oidc_discovery_url": ISSUER, "bound_issuer": ISSUER}
    described = {
        "role_name": "web",
        "role": {**bound, "bound_subject": WEB, "token_policies": ["web"], **(role or {})},
        "config": {**mount, **(config or {})},
        **more,
    }
    return vault.parse_trust(json.dumps(described).encode(), name="role.json")


def login(
    claims: dict[str, Any] | None = None,
    role: dict[str, Any] | None = None,
    config: dict[str, Any] | None = None,
    *,
    header: dict[str, Any] | None = None,
    issuer: IssuerDocuments | None = None,
    is_signed: bool = True,
    **more: Any,
) -> Verdict:
    shown = presentation(token(claims, header), issuer, is_signed=is_signed)
    return vault.evaluate(shown, trusting(role, config, **more))


def test_the_bound_workload_logs_in() -> None:
    verdict = login()
    assert verdict.accepted
    assert verdict.identity == {
        "alias": WEB,
        "metadata": {"role": "web"},
        "groups": [],
        "policies": ["default", "web"],
    }


def test_what_a_login_gets() -> None:
    verdict = login(
        {"team": "payments", "groups": ["a", "", "b"], "nested": {"x": "y"}},
        {
            "claim_mappings": {"team": "team", "/nested/x": "x", "absent": "z"},
            "groups_claim": "groups",
            "user_claim": "/nested/x",
            "user_claim_json_pointer": True,
            "token_policies": "Web, db,web",
            "token_no_default_policy": True,
        },
    )
    assert verdict.identity == {
        "alias": "y",
        "metadata": {"role": "web", "team": "payments", "x": "y"},
        "groups": ["a", "b"],
        "policies": ["db", "web"],
    }


# The clause, claims, role, and what is said: alone, each refuses what is good otherwise.
REFUSED: list[tuple[str, dict[str, Any], dict[str, Any], str]] = [
    (
        "role type",
        {},
        {"role_type": "oidc"},
        "role with oidc role_type is not allowed",
    ),
    (
        "claim names",
        {"EXP": 1},
        {},
        (
            f'{INVALID}ambiguous claim: key "EXP" collides with registered claim "exp" '
            "under case folding"
        ),
    ),
    (
        "claim names",
        {"\u017fub": "x"},
        {},
        (
            f'{INVALID}ambiguous claim: key "\u017fub" collides with registered claim "sub" '
            "under case folding"
        ),
    ),
    (
        "claim types",
        {"sub": 5},
        {"bound_subject": ""},
        f"{INVALID}json: cannot unmarshal number into Go struct field Claims.sub of type string",
    ),
    (
        "claim types",
        {"aud": [5]},
        {},
        f"{INVALID}go-jose/go-jose/jwt: expected string or array value to unmarshal to Audience",
    ),
    (
        "claim types",
        {"exp": "soon"},
        {},
        f"{INVALID}go-jose/go-jose/jwt: expected number value to unmarshal NumericDate",
    ),
    ("issuer", {"iss": f"{ISSUER}/"}, {}, f"{INVALID}invalid issuer (iss) claim"),
    ("subject", {"sub": f"{WEB}2"}, {}, f"{INVALID}invalid subject (sub) claim"),
    (
        "audience",
        {"aud": "other"},
        {},
        (
            f"{INVALID}invalid audience (aud) claim: audience claim does not match any expected "
            "audience"
        ),
    ),
    (
        "dates",
        {"iat": ABSENT, "exp": ABSENT},
        {},
        f"{INVALID}no issued at (iat), not before (nbf), or expiration time (exp) claims in token",
    ),
    (
        "not before",
        {"nbf": NOW + 61},
        {},
        f"{INVALID}invalid not before (nbf) claim: token not yet valid",
    ),
    (
        "expiration",
        {"exp": NOW - 61},
        {},
        f"{INVALID}invalid expiration time (exp) claim: token is expired",
    ),
    (
        "issued at",
        {"iat": NOW + 61, "nbf": NOW},
        {},
        f"{INVALID}invalid issued at (iat) claim: token issued in the future",
    ),
    (
        "unbound audience",
        {},
        {"bound_audiences": []},
        "audience claim found in JWT but no audiences bound to the role",
    ),
    ("user claim", {}, {"user_claim": "x"}, 'claim "x" not found in token'),
    (
        "user claim",
        {"n": 5},
        {"user_claim": "n"},
        'claim "n" could not be converted to string',
    ),
    (
        "metadata",
        {"n": 5},
        {"claim_mappings": {"n": "n"}},
        "error converting claim 'n' to string",
    ),
    (
        "groups",
        {},
        {"groups_claim": "groups"},
        'failed to fetch groups: "groups" claim not found in token',
    ),
    (
        "groups",
        {"groups": {"a": 1}},
        {"groups_claim": "groups"},
        '"groups" claim could not be converted to string list',
    ),
    (
        "groups",
        {"groups": ["a", 1.5]},
        {"groups_claim": "groups"},
        "value 1.5 in groups claim could not be parsed as string",
    ),
    (
        "bound claims",
        {},
        {"bound_claims": {"team": "x"}},
        'error validating claims: claim "team" is missing',
    ),
    (
        "bound claims",
        {"team": "y"},
        {"bound_claims": {"team": ["x", "z"]}},
        'error validating claims: claim "team" does not match any associated bound claim values',
    ),
    (
        "bound claims",
        {"team": {"a": [1, None]}},
        {"bound_claims": {"team": "x"}},
        (
            "error validating claims: received claim is not a string, bool, int or list: "
            "map[a:[1 <nil>]]"
        ),
    ),
    ("alias", {"team": ""}, {"user_claim": "team"}, "missing name in alias"),
]


@pytest.mark.parametrize(("clause", "claims", "role", "said"), REFUSED)
def test_what_is_refused(
    clause: str, claims: dict[str, Any], role: dict[str, Any], said: str
) -> None:
    verdict = login(claims, role)
    assert verdict.failed is not None
    assert (verdict.failed.name, verdict.refusal) == (
        clause,
        Refusal("", said, 500 if clause == "alias" else 400),
    )
    assert verdict.failed.check.fix
    assert login().accepted


def test_keys_that_do_not_fit() -> None:
    refused: list[tuple[Verdict, str, str]] = [
        (login(is_signed=False), "signature", f"{UNVERIFIED}failed to verify id token signature"),
        (
            login(header={"kid": "two"}),
            "signature",
            f"{UNVERIFIED}failed to verify id token signature",
        ),
        (
            login(header={"alg": "HS256"}),
            "signature",
            (
                f'{UNVERIFIED}oidc: malformed jwt: unexpected signature algorithm "HS256"; '
                f"expected {ALGORITHMS}"
            ),
        ),
        (
            login(
                is_signed=False,
                config={"oidc_discovery_url": "", "jwt_validation_pubkeys": [PEM]},
            ),
            "signature",
            f"{UNVERIFIED}no known key successfully validated the token signature",
        ),
        (
            login(issuer=documents(keys=[KEY, {"kty": "NEW"}])),
            "signature",
            (
                f"{UNVERIFIED}fetching keys oidc: failed to decode keys: "
                "got Content-Type = application/json, but could not unmarshal as JSON: "
                "go-jose/go-jose: unsupported key type/format"
            ),
        ),
        (
            login(config={"jwt_supported_algs": ["RS256"]}),
            "algorithm",
            (
                f"{INVALID}invalid algorithm (alg) header parameter: "
                "token signed with unexpected algorithm"
            ),
        ),
        (
            login(issuer=documents(f"{ISSUER}/")),
            "issuer's keys",
            (
                "error configuring token validator: keyset configuration error: issuer did not "
                f'match the returned issuer, expected "{ISSUER}" got "{ISSUER}/"'
            ),
        ),
        (
            login(issuer=IssuerDocuments.unreachable("refused")),
            "issuer's keys",
            f"error configuring token validator: keyset configuration error: {ISSUER}",
        ),
    ]
    for verdict, clause, said in refused:
        assert verdict.failed is not None
        assert verdict.refusal is not None
        assert (verdict.failed.name, verdict.refusal.message) == (clause, said)
    assert login(config={"oidc_discovery_url": "", "jwt_validation_pubkeys": [PEM]}).accepted
    assert login(header={"kid": ""}).accepted


def test_a_login_without_a_role_or_a_token() -> None:
    shown = presentation()
    absent = {"config": {"jwks_url": "https://x.test"}, "role_name": "gone", "role": None}
    unnamed = {"config": {"jwks_url": "https://x.test"}}
    said = [
        vault.evaluate(shown, vault.parse_trust(json.dumps(described).encode(), name="x")).refusal
        for described in (absent, unnamed)
    ]
    assert said == [Refusal("", 'role "gone" could not be found'), Refusal("", "missing role")]
    nothing = vault.evaluate(presentation(PresentedToken.read("")), trusting())
    assert nothing.refusal == Refusal("", "missing token")
    garbage = vault.evaluate(presentation(PresentedToken.read("x.y")), trusting())
    assert garbage.failed is not None
    assert garbage.failed.name == "JWT"
    assert garbage.refusal is not None
    assert garbage.refusal.assumed  # the words are ours after the colon


@pytest.mark.parametrize(
    ("leeways", "claims", "accepted"),
    [
        ({}, {"exp": NOW - 60}, True),
        ({}, {"exp": NOW - 61}, False),
        ({"clock_skew_leeway": -1}, {"exp": NOW}, True),
        ({"clock_skew_leeway": -1}, {"exp": NOW - 1}, False),
        ({"clock_skew_leeway": "5m"}, {"exp": NOW - 300}, True),
        ({"expiration_leeway": 1000}, {"exp": NOW - 61}, False),  # no leeway on what is there
        ({}, {"exp": ABSENT, "iat": NOW - 210}, True),  # 150 s from iat, and 60 s of skew
        ({}, {"exp": ABSENT, "iat": NOW - 211}, False),
        ({"expiration_leeway": -1}, {"exp": ABSENT, "iat": NOW - 61}, False),
        ({"expiration_leeway": 1000}, {"exp": ABSENT, "iat": NOW - 900}, True),
        ({}, {"iat": ABSENT, "exp": NOW + 210}, True),  # 150 s before exp, and 60 s of skew
        ({}, {"iat": ABSENT, "exp": NOW + 211}, False),
        ({"not_before_leeway": 1000}, {"iat": ABSENT, "exp": NOW + 900}, True),
        ({}, {"nbf": NOW + 60}, True),
        ({"clock_skew_leeway": -1}, {"nbf": NOW + 1}, False),
    ],
)
def test_leeways(leeways: dict[str, Any], claims: dict[str, Any], accepted: bool) -> None:
    assert login(claims, leeways).accepted is accepted


@pytest.mark.parametrize(
    ("product", "claims", "role", "accepted"),
    [
        ("vault", {"aud": ""}, {"bound_audiences": []}, True),
        ("openbao", {"aud": ""}, {"bound_audiences": []}, False),
        ("vault", {"aud": "cluster"}, {"claim_mappings": {"aud": "for"}}, True),
        ("openbao", {"aud": "cluster"}, {"claim_mappings": {"aud": "for"}}, False),
        ("vault", {"aud": []}, {"bound_audiences": []}, True),
        ("openbao", {"aud": []}, {"bound_audiences": []}, True),
    ],
)
def test_where_the_products_differ(
    product: str, claims: dict[str, Any], role: dict[str, Any], accepted: bool
) -> None:
    assert login(claims, role, product=product).accepted is accepted


def test_a_mount_for_browsers_takes_no_token_at_vault() -> None:
    browsers = {"oidc_client_id": "vault"}
    said = "error configuring token validator: unsupported config type"
    assert login(config=browsers).refusal == Refusal("", said)
    assert login(config=browsers, product="openbao").accepted


@pytest.mark.parametrize(
    ("bound", "claims", "accepted"),
    [
        ({"bound_claims": {"n": 5}}, {"n": 5}, True),
        ({"bound_claims": {"n": 5}}, {"n": 5.7}, True),  # the fraction is lost
        ({"bound_claims": {"n": 5.7}}, {"n": 5.7}, False),
        ({"bound_claims": {"n": 5}}, {"n": "5"}, False),
        ({"bound_claims": {"n": 1}}, {"n": True}, False),
        ({"bound_claims": {"n": [5]}}, {"n": [5]}, False),  # not in a list of the token
        ({"bound_claims": {"b": True}}, {"b": True}, True),
        ({"bound_claims": {"/o/l/1": "y"}}, {"o": {"l": ["x", "y"]}}, True),
        ({"bound_claims": {"/o/l/2": "y"}}, {"o": {"l": ["x", "y"]}}, False),
        ({"bound_claims": {"/o/l/x": "y"}}, {"o": {"l": ["x", "y"]}}, False),
        ({"bound_claims": {"/a~1b/c~0d": "y"}}, {"a/b": {"c~d": "y"}}, True),
        ({"bound_claims": {"l": ["a", "b"]}}, {"l": ["c", "b"]}, True),
        ({"bound_claims": {"l": ["a", "b"]}}, {"l": []}, False),
        ({"bound_claims": {"x": "1", "y": "2"}}, {"x": "1", "y": "2"}, True),
        ({"bound_claims": {"x": "1", "y": "2"}}, {"x": "1"}, False),
    ],
)
def test_bound_claims(bound: dict[str, Any], claims: dict[str, Any], accepted: bool) -> None:
    assert login(claims, bound).accepted is accepted


@pytest.mark.parametrize(
    ("pattern", "matches"),
    [
        ("spiffe://example.org/ns/prod/sa/web", True),
        ("spiffe://example.org/ns/prod/sa/we", False),
        ("spiffe://example.org/*", True),
        ("*/web", True),
        ("*/we", False),
        ("*", True),
        ("", False),
        ("spiffe://*/prod/*/web", True),
        ("spiffe://*/web/*/prod", False),
        ("*web*", True),
        ("spiffe*prod*prod*", False),
    ],
)
def test_globs(pattern: str, matches: bool) -> None:
    bound = {"bound_claims_type": "glob", "bound_claims": {"sub": [pattern]}}
    assert login({}, bound).accepted is matches


def test_what_is_not_evaluated_is_said() -> None:
    verdict = login({}, {"token_bound_cidrs": ["10.0.0.0/8"]})
    (clause,) = [clause for clause in verdict.clauses if clause.name == "bound addresses"]
    assert (clause.outcome, clause.check.wanted) == (Outcome.PASSED, "10.0.0.0/8")
    assert "not evaluated" in clause.check.found
    role = {"role_type": "jwt", "user_claim": "sub", "bound_audiences": ["cluster"]}
    bare = vault.parse_trust(json.dumps(role).encode(), name="role.json")
    other = vault.evaluate(presentation(token({"iss": "https://other.test"})), bare)
    assert other.accepted
    assert "not evaluated" in next(c for c in other.clauses if c.name == "issuer").check.wanted


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=8,
)
NAMES = st.sampled_from(["iss", "sub", "aud", "exp", "nbf", "iat", "jti", "team", "groups"])
ROLE = {"bound_claims": {"team": "x"}, "groups_claim": "groups", "claim_mappings": {"team": "t"}}


@given(shown=st.binary() | st.text(), now=st.integers(0, 2**40))
def test_any_bytes_are_refused_by_a_clause(shown: bytes | str, now: int) -> None:
    case = Presentation(PresentedToken.read(shown), documents(), now)
    verdict = vault.evaluate(case, trusting())
    assert verdict.failed is not None
    assert verdict == vault.evaluate(case, trusting())


@given(claims=st.dictionaries(NAMES, JSON), role=st.sampled_from([{}, ROLE]))
def test_any_claims_come_to_a_verdict(claims: dict[str, Any], role: dict[str, Any]) -> None:
    verdict = login(claims, role)
    assert verdict.accepted == bool(verdict.identity)
    assert verdict.accepted or verdict.failed is not None
