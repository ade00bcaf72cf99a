"""Google's clauses: each passes with the others, each fails alone, in Google's own words."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import pytest
from forgery.tokens import ec_key, jwk, jwk_set, rsa_key, signed
from hypothesis import given
from hypothesis import strategies as st

from spire_bridge.cloud.google.sts import GoogleTrust, evaluate, parse_trust
from spire_bridge.cloud.issuer_documents import IssuerDocuments
from spire_bridge.cloud.presentation import Presentation
from spire_bridge.cloud.presented_token import PresentedToken
from spire_bridge.cloud.rule import Outcome, Refusal, Verdict

NOW = 1_700_000_000
ISSUER = "https://issuer.example.org"
POOL = "projects/123456789/locations/global/workloadIdentityPools/pool"
PROVIDER = f"{POOL}/providers/spire"
AUDIENCE = f"//iam.googleapis.com/{PROVIDER}"
SUBJECT = "spiffe://example.org/ns/prod/sa/web"
EMAIL = "web@project.iam.gserviceaccount.com"
KEY = ec_key(1)
DOCUMENTS = IssuerDocuments.read(
    json.dumps({"issuer": ISSUER}).encode(),
    jwk_set(
        jwk(KEY, kid="one"), jwk(ec_key(2, "P-384"), kid="large"), jwk(rsa_key(), kid="rsa"),
        {"kty": "OKP", "crv": "Ed25519", "kid": "okp"},
    ),
)  # fmt: skip
PROVIDER_JSON: dict[str, Any] = {
    "name": PROVIDER,
    "state": "ACTIVE",
    "displayName": "SPIRE",
    "oidc": {"issuerUri": ISSUER},
    "attributeMapping": {
        "google.subject": "assertion.sub",
        "google.groups": "assertion.groups",
        "attribute.ns": "assertion.sub.extract('/ns/{ns}/')",
    },
    "attributeCondition": "assertion.sub.startsWith('spiffe://example.org/ns/prod/')",
}
CLAIMS = {
    "iss": ISSUER,
    "sub": SUBJECT,
    "aud": [AUDIENCE],
    "iat": NOW - 10,
    "exp": NOW + 290,
    "groups": ["admins"],
}
BINDING = {
    "role": "roles/iam.workloadIdentityUser",
    "members": [f"principalSet://iam.googleapis.com/{POOL}/attribute.ns/prod"],
}


def trust(description: Mapping[str, Any] | None = None, **members: Any) -> GoogleTrust:
    """The provider with other members, or with other things beside it."""
    provider = {**PROVIDER_JSON, **members}
    whole = {"provider": provider, **description} if description is not None else provider
    return parse_trust(json.dumps(whole).encode(), name="provider.json")


def token(header: Mapping[str, Any] | None = None, **claims: Any) -> str:
    """The good token with other members; None takes one away."""
    parts: list[dict[str, Any]] = [
        {k: v for k, v in part.items() if v is not None}
        for part in ({"alg": "ES256", "kid": "one", **(header or {})}, {**CLAIMS, **claims})
    ]
    return signed(KEY, parts[0], parts[1], "ES256")


def verdict(presented: str, to: GoogleTrust, documents: IssuerDocuments = DOCUMENTS) -> Verdict:
    return evaluate(Presentation(PresentedToken.read(presented), documents, NOW), to)


def refused(outcome: Verdict, clause: str) -> Refusal:
    assert outcome.failed is not None
    assert outcome.failed.name == clause
    assert outcome.failed.check.found
    assert outcome.failed.check.wanted
    assert outcome.failed.check.fix
    assert outcome.refusal is not None
    assert outcome.identity == {}
    return outcome.refusal


def test_a_good_token_has_an_identity() -> None:
    outcome = verdict(token(), trust())
    assert outcome.accepted
    assert {clause.outcome for clause in outcome.clauses} == {Outcome.PASSED}
    assert outcome.identity == {
        "google.subject": SUBJECT,
        "google.groups": ["admins"],
        "attributes": {"ns": "prod"},
        "principal": f"principal://iam.googleapis.com/{POOL}/subject/{SUBJECT}",
        "principal_sets": [
            f"principalSet://iam.googleapis.com/{POOL}/attribute.ns/prod",
            f"principalSet://iam.googleapis.com/{POOL}/group/admins",
            f"principalSet://iam.googleapis.com/{POOL}/*",
        ],
        "expires_in": 288,
    }


def test_a_token_of_google_lives_an_hour_at_most() -> None:
    assert verdict(token(exp=NOW + 9_000), trust()).identity["expires_in"] == 3_598
    assert verdict(token(exp=NOW - 59), trust()).identity["expires_in"] == 0


NO_ISSUER = "Error connecting to the given credential's issuer."
NO_SIGNATURE = "Unable to verify the ID Token signature."
REJECTED = "The given credential is rejected by the attribute condition."
TOO_LONG = (
    "The size of mapped attribute google.subject exceeds the 127 bytes limit. Either modify your"
    " attribute mapping or the incoming assertion to produce a mapped attribute that is less than"
    " 127 bytes."
)


def stale(issued_at: int) -> str:
    return f"ID Token issued at {issued_at} is stale to sign-in."


@pytest.mark.parametrize(
    ("presented", "clause", "code", "message"),
    [
        (
            token(iss=f"{ISSUER}/"),
            "issuer",
            "invalid_grant",
            f"The issuer in ID Token {ISSUER}/ does not match the expected one in config: {ISSUER}",
        ),
        (token({"kid": "two"}), "signing key", "invalid_grant", NO_ISSUER),
        (token({"kid": None}), "signing key", "invalid_grant", NO_ISSUER),
        (token({"kid": "rsa"}), "signature", "invalid_grant", NO_SIGNATURE),
        (token() + "AAAA", "signature", "invalid_grant", NO_SIGNATURE),
        (
            token(aud=["a"]),
            "audience",
            "invalid_grant",
            "The audience in ID Token [a] does not match the expected audience.",
        ),
        (token(iat=NOW + 119), "issued", "invalid_grant", stale(NOW + 119)),
        (token(exp=NOW - 61), "expiry", "invalid_grant", stale(NOW - 10)),
        (
            token(sub="spiffe://example.org/ns/prod/" + "x" * 99),
            "subject size",
            "invalid_request",
            TOO_LONG,
        ),
        (
            token(sub="spiffe://example.org/ns/dev/sa/web"),
            "attribute condition",
            "unauthorized_client",
            REJECTED,
        ),
    ],
)
def test_refusals_of_tokens_word_by_word(
    presented: str, clause: str, code: str, message: str
) -> None:
    refusal = refused(verdict(presented, trust()), clause)
    assert (refusal.code, refusal.message, refusal.status) == (code, message, 400)


@pytest.mark.parametrize(
    ("presented", "clause"),
    [
        ("x", "token"),
        (token(iss=None), "issuer"),
        (token({"alg": "ES384"}), "signing algorithm"),
        (token({"kid": "large"}), "signing key"),
        (token({"kid": "okp"}), "signing key"),
        (token(aud=None), "audience"),
        (token(iat=None), "issued"),
        (token(iat=NOW + 90), "issued"),
        (token(exp=None), "expiry"),
        (token(groups=7), "mapped attributes"),
    ],
)
def test_words_that_no_source_gives_are_marked(presented: str, clause: str) -> None:
    assert refused(verdict(presented, trust()), clause).assumed


def test_a_subject_that_is_no_string_or_absent() -> None:
    for presented in (token(sub=7), token(sub=None)):
        refusal = refused(verdict(presented, trust()), "mapped attributes")
        assert refusal == Refusal(
            "unauthorized_client", "The mapped attribute 'google.subject' must be of type STRING."
        )


def test_keys_of_an_issuer_that_cannot_be_reached() -> None:
    unreachable = IssuerDocuments.unreachable("connection refused")
    assert refused(verdict(token(), trust(), unreachable), "signing key").message == NO_ISSUER
    uploaded = {"issuerUri": ISSUER, "jwksJson": jwk_set(jwk(KEY, kid="one")).decode()}
    assert verdict(token(), trust(oidc=uploaded), unreachable).accepted


def test_uploaded_keys_replace_those_of_the_issuer() -> None:
    other = {"issuerUri": ISSUER, "jwksJson": jwk_set(jwk(ec_key(9), kid="nine")).decode()}
    refused(verdict(token(), trust(oidc=other)), "signing key")
    broken = {"issuerUri": ISSUER, "jwksJson": "{"}  # Google does not look at it beforehand
    refused(verdict(token(), trust(oidc=broken)), "signing key")


@pytest.mark.parametrize("claims", [{"iat": NOW + 60}, {"exp": NOW - 59}, {"exp": NOW + 10**8}])
def test_clocks_may_differ_by_a_minute(claims: dict[str, int]) -> None:
    assert verdict(token(**claims), trust()).accepted


def test_an_audience_is_either_of_the_providers_names_or_in_its_list() -> None:
    own = trust(oidc={"issuerUri": ISSUER, "allowedAudiences": ["own"]})
    for audience in (AUDIENCE, f"https:{AUDIENCE}"):
        assert verdict(token(aud=audience), trust()).accepted
        refused(verdict(token(aud=audience), own), "audience")
    assert verdict(token(aud="own"), own).accepted
    refused(verdict(token(aud="own"), trust()), "audience")


@pytest.mark.parametrize("members", [{"disabled": True}, {"state": "DELETED"}])
def test_a_provider_that_is_disabled_or_deleted(members: dict[str, Any]) -> None:
    refusal = refused(verdict(token(), trust(**members)), "provider")
    assert refusal == Refusal(
        "invalid_target",
        'The target service indicated by the "audience" parameters is invalid. This might either be'
        " because the pool or provider is disabled or deleted or because it doesn't exist.",
    )


def configuration(**members: Any) -> dict[str, Any]:
    return {
        "credentialConfiguration": {
            "type": "external_account",
            "audience": AUDIENCE,
            "subject_token_type": "urn:ietf:params:oauth:token-type:jwt",
            **members,
        }
    }


def test_the_audience_of_the_exchange() -> None:
    assert verdict(token(), trust(configuration())).accepted
    pool = f"//iam.googleapis.com/{POOL}"
    assert refused(verdict(token(), trust(configuration(audience=pool))), "exchange audience") == (
        Refusal(
            "invalid_request",
            'Invalid value for "audience". This value should be the full resource name of the'
            " Identity Provider. See"
            " https://cloud.google.com/iam/docs/reference/sts/rest/v1/TopLevel/token for the list"
            " of possible formats.",
        )
    )
    other = refused(verdict(token(), trust(configuration(audience=f"{AUDIENCE}2"))), "provider")
    assert other.code == "invalid_target"


def test_a_condition_that_fails_on_a_token_rejects_it() -> None:
    failing = trust(attributeCondition="assertion.team == 'a'")
    refusal = refused(verdict(token(), failing), "attribute condition")
    assert refusal == Refusal("unauthorized_client", REJECTED, assumed=True)
    assert verdict(token(team="a"), failing).accepted


def test_a_condition_reads_what_was_mapped() -> None:
    mapped = trust(attributeCondition="attribute.ns == 'prod' && 'admins' in google.groups")
    assert verdict(token(), mapped).accepted
    refused(verdict(token(groups=["others"]), mapped), "attribute condition")
    subject = trust(attributeCondition=f"google.subject == '{SUBJECT}'")
    assert verdict(token(), subject).accepted


def test_a_condition_on_what_is_not_mapped_fails() -> None:
    unmapped = trust(
        attributeMapping={"google.subject": "assertion.sub"},
        attributeCondition="!('admins' in google.groups)",
    )
    assert refused(verdict(token(), unmapped), "attribute condition").assumed


def test_an_attribute_whose_claim_is_absent() -> None:
    mapping = {**PROVIDER_JSON["attributeMapping"], "attribute.team": "assertion.team"}
    refusal = refused(verdict(token(), trust(attributeMapping=mapping)), "mapped attributes")
    assert refusal.message == "The mapped attribute 'attribute.team' must be of type STRING."
    assert verdict(token(team="a"), trust(attributeMapping=mapping)).accepted


def account(*bindings: Any, **members: Any) -> GoogleTrust:
    described = {"serviceAccount": EMAIL, "iamPolicy": {"bindings": list(bindings)}, **members}
    return trust(described)


@pytest.mark.parametrize(
    "member",
    [
        f"principal://iam.googleapis.com/{POOL}/subject/{SUBJECT}",
        f"principalSet://iam.googleapis.com/{POOL}/attribute.ns/prod",
        f"principalSet://iam.googleapis.com/{POOL}/group/admins",
        f"principalSet://iam.googleapis.com/{POOL}/*",
    ],
)
def test_whoever_is_bound_may_impersonate(member: str) -> None:
    outcome = verdict(token(), account({**BINDING, "members": [member]}))
    assert outcome.identity["service_account"] == EMAIL
    assert outcome.identity["service_account_token_seconds"] == 3_600


@pytest.mark.parametrize(
    "binding",
    [
        {**BINDING, "role": "roles/viewer"},
        {**BINDING, "members": [f"principal://iam.googleapis.com/{POOL}/subject/other"]},
        {**BINDING, "members": ["user:a@example.org"]},
        {**BINDING, "condition": {"expression": "true"}},
    ],
)
def test_whoever_is_not_bound_may_not(binding: dict[str, Any]) -> None:
    assert refused(verdict(token(), account(binding)), "service account") == Refusal(
        "PERMISSION_DENIED",
        "Permission 'iam.serviceAccounts.getAccessToken' denied on resource (or it may not exist).",
        status=403,
    )


def test_a_disabled_service_account_is_nobodys() -> None:
    described = {"email": EMAIL, "disabled": True}
    refusal = refused(
        verdict(token(), account(BINDING, serviceAccount=described)), "service account"
    )
    assert refusal.assumed


def test_a_service_account_without_a_policy_is_an_assumption() -> None:
    url = f"https://iamcredentials.googleapis.com/v1/projects/-/serviceAccounts/{EMAIL}"
    config = configuration(
        service_account_impersonation_url=f"{url}:generateAccessToken",
        service_account_impersonation={"token_lifetime_seconds": 600},
    )
    outcome = verdict(token(), trust(config))
    assert outcome.identity["service_account"] == EMAIL
    assert outcome.identity["service_account_token_seconds"] == 600
    assert [c.name for c in outcome.clauses if c.assumed] == ["service account"]


TRUSTS = (trust(), account(BINDING), trust(disabled=True), trust(attributeCondition=""))


@given(data=st.binary() | st.text(), documents=st.binary(), to=st.sampled_from(TRUSTS))
def test_no_token_raises(data: bytes | str, documents: bytes, to: GoogleTrust) -> None:
    read = IssuerDocuments.read(documents, documents)
    outcome = evaluate(Presentation(PresentedToken.read(data), read, NOW), to)
    assert outcome.failed is not None
    assert outcome.failed.name


JSON = st.none() | st.booleans() | st.integers() | st.text() | st.lists(st.text(), max_size=3)


@given(
    claims=st.dictionaries(st.sampled_from([*CLAIMS, "other"]), JSON),
    now=st.floats(0, 1e10),
    to=st.sampled_from(TRUSTS),
)
def test_any_claims_have_one_verdict(claims: dict[str, Any], now: float, to: GoogleTrust) -> None:
    presentation = Presentation(
        PresentedToken.read(token(**claims)), DOCUMENTS, now, lambda *_: True
    )
    outcome = evaluate(presentation, to)
    assert outcome == evaluate(presentation, to)
    assert outcome.accepted or outcome.failed is not None


def test_rs256_is_verified_as_well() -> None:
    by_rsa = signed(rsa_key(), {"alg": "RS256", "kid": "rsa"}, CLAIMS)
    assert verdict(by_rsa, trust()).accepted
    assert refused(verdict(by_rsa[:-8] + "A" * 8, trust()), "signature").message == NO_SIGNATURE
