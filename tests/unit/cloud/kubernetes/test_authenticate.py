"""Tokens at an API server: every refusal in its words, and who the others are."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from presented import ABSENT, ISSUER, KEY, NOW, WEB, documents, presentation, token

from spire_bridge.cloud.issuer_documents import IssuerDocuments
from spire_bridge.cloud.kubernetes import oidc as kubernetes
from spire_bridge.cloud.kubernetes.oidc import KubernetesTrust
from spire_bridge.cloud.presentation import Presentation
from spire_bridge.cloud.presented_token import PresentedToken
from spire_bridge.cloud.rule import Refusal, Verdict

UNVERIFIED = "oidc: verify token: "
ALGORITHMS = '["ES256" "ES384" "ES512" "PS256" "PS384" "PS512" "RS256" "RS384" "RS512"]'
UNDECODED = f"{UNVERIFIED}oidc: failed to unmarshal claims: json: cannot unmarshal "
SUBJECT = {"claim": "sub", "prefix": ""}


def trusting(
    mappings: dict[str, Any] | None = None, audiences: list[str] | None = None, **entry: Any
) -> KubernetesTrust:
    """The issuer's tokens for the audience `cluster`; sub is the username."""
    jwt = {
        "issuer": {
            "url": ISSUER,
            "audiences": audiences or ["cluster"],
            "audienceMatchPolicy": "MatchAny",
        },
        "claimMappings": {"username": SUBJECT, **(mappings or {})},
        **entry,
    }
    configuration = {
        "apiVersion": "apiserver.config.k8s.io/v1",
        "kind": "AuthenticationConfiguration",
        "jwt": [jwt],
    }
    return kubernetes.parse_trust(json.dumps(configuration).encode(), name="authn.yaml")


def authenticate(
    claims: dict[str, Any] | None = None,
    trust: KubernetesTrust | None = None,
    *,
    header: dict[str, Any] | None = None,
    issuer: IssuerDocuments | None = None,
    is_signed: bool = True,
) -> Verdict:
    shown = presentation(token(claims, header), issuer, is_signed=is_signed)
    return kubernetes.evaluate(shown, trust or trusting())


def said(verdict: Verdict) -> tuple[str, str]:
    """The clause that refused, and its words."""
    assert verdict.failed is not None
    assert verdict.refusal is not None
    assert verdict.refusal == Refusal(
        "Unauthorized", verdict.refusal.message, 401, verdict.refusal.assumed
    )
    assert verdict.failed.check.fix
    return verdict.failed.name, verdict.refusal.message


def rules(*rules: dict[str, Any]) -> dict[str, Any]:
    return {"claimValidationRules": list(rules)}


def test_the_subject_is_the_username() -> None:
    verdict = authenticate()
    assert verdict.accepted
    assert verdict.identity == {"username": WEB, "groups": [], "uid": "", "extra": {}}


def test_everything_that_can_be_mapped() -> None:
    trust = trusting(
        {
            "username": {"expression": "'w:' + claims.sub"},
            "groups": {"claim": "groups", "prefix": "spire:"},
            "uid": {"claim": "jti"},
            "extra": [
                {"key": "example.org/team", "valueExpression": "claims.?team.orValue('none')"},
                {"key": "example.org/empty", "valueExpression": "['']"},
            ],
        },
        claimValidationRules=[
            {"claim": "team", "requiredValue": "payments"},
            {"expression": "claims.exp - claims.iat <= 600.0"},
        ],
        userValidationRules=[
            {"expression": "user.groups.all(g, g.startsWith('spire:')) && user.uid == '1'"},
            {"expression": "'payments' in user.extra['example.org/team']"},
        ],
    )
    verdict = authenticate({"groups": ["a", "b"], "jti": "1", "team": "payments"}, trust)
    assert verdict.identity == {
        "username": f"w:{WEB}",
        "groups": ["spire:a", "spire:b"],
        "uid": "1",
        "extra": {
            "authentication.kubernetes.io/credential-id": ["JTI=1"],
            "example.org/team": ["payments"],
        },
    }
    assert not authenticate({"groups": ["a"], "jti": "2", "team": "payments"}, trust).accepted


# The clause, claims, configuration, and what is said: alone, each refuses what is good otherwise.
REFUSED: list[tuple[str, dict[str, Any], dict[str, Any], str]] = [
    ("issuer", {"iss": f"{ISSUER}/"}, {}, "Unauthorized"),
    ("issuer", {"iss": ABSENT}, {}, "Unauthorized"),
    (
        "claim types",
        {"sub": 5},
        {},
        f"{UNDECODED}number into Go struct field idToken.sub of type string",
    ),
    (
        "claim types",
        {"aud": [5]},
        {},
        f"{UNDECODED}number into Go struct field idToken.aud of type string",
    ),
    (
        "claim types",
        {"exp": True},
        {},
        f"{UNDECODED}bool into Go struct field idToken.exp of type json.Number",
    ),
    (
        "audience",
        {"aud": ["a", "b"]},
        {},
        f'{UNVERIFIED}oidc: expected audience "cluster" got ["a" "b"]',
    ),
    (
        "audience",
        {"aud": "a"},
        {"audiences": ["y", "x"]},
        f'{UNVERIFIED}oidc: expected audience in ["x" "y"] got ["a"]',
    ),
    (
        "expiration",
        {"exp": NOW - 1},
        {},
        f"{UNVERIFIED}oidc: token is expired (Token Expiry: 2023-11-14 22:13:19 +0000 UTC)",
    ),
    (
        "expiration",
        {"exp": ABSENT},
        {},
        f"{UNVERIFIED}oidc: token is expired (Token Expiry: 0001-01-01 00:00:00 +0000 UTC)",
    ),
    (
        "not before",
        {"nbf": NOW + 61},
        {},
        (
            f"{UNVERIFIED}oidc: current time 2023-11-14 22:13:20 +0000 UTC before the nbf (not "
            "before) time: 2023-11-14 22:14:21 +0000 UTC"
        ),
    ),
    (
        "username",
        {},
        {"mappings": {"username": {"claim": "email", "prefix": ""}}},
        'oidc: parse username claims "email": claim not present',
    ),
    (
        "username",
        {"n": 5},
        {"mappings": {"username": {"claim": "n", "prefix": ""}}},
        (
            'oidc: parse username claims "n": json: cannot unmarshal number into Go value of type '
            "string"
        ),
    ),
    (
        "username",
        {"email": "a@b", "email_verified": False},
        {"mappings": {"username": {"claim": "email", "prefix": ""}}},
        "oidc: email not verified",
    ),
    (
        "username",
        {"email": "a@b", "email_verified": "yes"},
        {"mappings": {"username": {"claim": "email", "prefix": ""}}},
        (
            "oidc: parse 'email_verified' claim: json: cannot unmarshal string into Go value of "
            "type bool"
        ),
    ),
    (
        "username",
        {},
        {"mappings": {"username": {"expression": "claims.team"}}},
        (
            "oidc: error evaluating username claim expression: expression 'claims.team' resulted "
            "in error: no such key: team"
        ),
    ),
    (
        "username",
        {"n": 5},
        {"mappings": {"username": {"expression": "claims.n"}}},
        (
            "oidc: error evaluating username claim expression: username claim expression must "
            "return a string"
        ),
    ),
    (
        "username",
        {"team": ""},
        {"mappings": {"username": {"expression": "claims.team"}}},
        "oidc: empty username via CEL expression is not allowed",
    ),
    (
        "groups",
        {"groups": 5},
        {"mappings": {"groups": {"claim": "groups", "prefix": ""}}},
        (
            'oidc: parse groups claim "groups": json: cannot unmarshal number into Go value of '
            "type string"
        ),
    ),
    (
        "groups",
        {"groups": [5]},
        {"mappings": {"groups": {"expression": "claims.groups"}}},
        (
            "oidc: error evaluating group claim expression: expression must return a string or a "
            "list of strings"
        ),
    ),
    (
        "uid",
        {},
        {"mappings": {"uid": {"claim": "jti"}}},
        'oidc: parse uid claim "jti": claim not present',
    ),
    (
        "uid",
        {"n": 5},
        {"mappings": {"uid": {"expression": "claims.n"}}},
        "oidc: error evaluating uid claim expression: uid claim expression must return a string",
    ),
    (
        "extra",
        {},
        {"mappings": {"extra": [{"key": "a.org/x", "valueExpression": "claims.x"}]}},
        "expression 'claims.x' resulted in error: no such key: x",
    ),
    (
        "extra",
        {"x": 5},
        {"mappings": {"extra": [{"key": "a.org/x", "valueExpression": "claims.x"}]}},
        (
            "oidc: error evaluating extra claim expression: claims.x: expression must return a "
            "string or a list of strings"
        ),
    ),
    (
        "required claims",
        {},
        rules({"claim": "team", "requiredValue": "a"}),
        "oidc: required claim team not present in ID token",
    ),
    (
        "required claims",
        {"team": 5},
        rules({"claim": "team", "requiredValue": "5"}),
        "oidc: parse claim team: json: cannot unmarshal number into Go value of type string",
    ),
    (
        "required claims",
        {"team": "b"},
        rules({"claim": "team", "requiredValue": "a"}),
        "oidc: required claim team value does not match. Got = b, want = a",
    ),
    (
        "claim validation",
        {},
        rules({"expression": "claims.sub == 'x'", "message": "not x"}),
        (
            "oidc: error evaluating claim validation expression: validation expression "
            "'claims.sub == 'x'' failed: not x"
        ),
    ),
    (
        "claim validation",
        {},
        rules({"expression": "claims.sub != ''"}, {"expression": "claims.team == 'x'"}),
        (
            "oidc: error evaluating claim validation expression: expression 'claims.team == 'x'' "
            "resulted in error: no such key: team"
        ),
    ),
    (
        "user validation",
        {"sub": "system:admin"},
        {
            "userValidationRules": [
                {"expression": "!user.username.startsWith('system:')", "message": "reserved"}
            ]
        },
        (
            "oidc: error evaluating user info validation rule: validation expression "
            "'!user.username.startsWith('system:')' failed: reserved"
        ),
    ),
]


@pytest.mark.parametrize(("clause", "claims", "configuration", "words"), REFUSED)
def test_what_is_refused(
    clause: str, claims: dict[str, Any], configuration: dict[str, Any], words: str
) -> None:
    assert said(authenticate(claims, trusting(**configuration))) == (clause, words)
    assert authenticate().accepted


def test_keys_that_do_not_fit() -> None:
    unsigned = f"{UNVERIFIED}failed to verify signature: failed to verify id token signature"
    assert said(authenticate(is_signed=False)) == ("signature", unsigned)
    assert said(authenticate(header={"kid": "two"})) == ("signature", unsigned)
    assert said(authenticate(header={"alg": "HS256"})) == (
        "algorithm",
        (
            f"{UNVERIFIED}oidc: id token signed with unsupported algorithm, expected {ALGORITHMS} "
            'got "HS256"'
        ),
    )
    strange = documents(keys=[KEY, {"kty": "OKP", "crv": "X25519"}])
    assert said(authenticate(issuer=strange)) == (
        "signature",
        (
            f"{UNVERIFIED}failed to verify signature: fetching keys oidc: failed to decode keys: "
            "got Content-Type = application/json, but could not unmarshal as JSON: "
            "go-jose/go-jose: unknown curve X25519'"
        ),
    )
    uninitialized = ("discovery", "oidc: authenticator not initialized")
    assert said(authenticate(issuer=documents(f"{ISSUER}/"))) == uninitialized
    assert said(authenticate(issuer=IssuerDocuments.unreachable("refused"))) == uninitialized
    assert authenticate(header={"kid": ""}).accepted


@pytest.mark.parametrize(
    ("claims", "accepted"),
    [
        ({"exp": NOW}, True),
        ({"exp": NOW - 0.5}, False),
        ({"exp": str(NOW + 1)}, True),  # a number inside a string
        ({"exp": str(NOW - 1)}, False),
        ({"nbf": NOW + 60}, True),
        ({"nbf": None}, True),
        ({"iat": NOW + 9_999}, True),  # which nobody looks at
    ],
)
def test_times(claims: dict[str, Any], accepted: bool) -> None:
    assert authenticate(claims).accepted is accepted


def test_several_audiences_are_looked_at_after_the_time() -> None:
    late = {"exp": NOW - 1, "aud": "other"}
    assert said(authenticate(late))[0] == "audience"
    assert said(authenticate(late, trusting(audiences=["a", "b"])))[0] == "expiration"
    assert authenticate(trust=trusting(audiences=["a", "cluster"])).accepted


def test_names_that_are_no_identifiers_are_escaped() -> None:
    rule = {"expression": "claims.a__dot__b__slash__c.d__dash__e == 'x'"}
    assert authenticate({"a.b/c": {"d-e": "x"}}, trusting(**rules(rule))).accepted
    assert not authenticate({"a.b/c": {"d-e": "y"}}, trusting(**rules(rule))).accepted


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=8,
)
NAMES = st.sampled_from(["sub", "aud", "exp", "nbf", "iat", "jti", "team", "groups", "n"])
BUSY = trusting(
    {
        "groups": {"claim": "groups", "prefix": ""},
        "uid": {"expression": "claims.team"},
        "extra": [{"key": "a.org/n", "valueExpression": "claims.n"}],
    },
    **rules({"expression": "claims.?n.orValue(1.0) == 1.0"}),
)


@given(shown=st.binary() | st.text(), now=st.integers(0, 2**40))
def test_any_bytes_are_refused_by_a_clause(shown: bytes | str, now: int) -> None:
    case = Presentation(PresentedToken.read(shown), documents(), now)
    verdict = kubernetes.evaluate(case, BUSY)
    assert verdict.failed is not None
    assert verdict == kubernetes.evaluate(case, BUSY)


@given(claims=st.dictionaries(NAMES, JSON), trust=st.sampled_from([trusting(), BUSY]))
def test_any_claims_come_to_a_verdict(claims: dict[str, Any], trust: KubernetesTrust) -> None:
    verdict = authenticate(claims, trust)
    assert verdict.accepted == bool(verdict.identity)
    assert verdict.accepted or verdict.failed is not None
