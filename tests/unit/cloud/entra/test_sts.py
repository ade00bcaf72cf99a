"""Entra's clauses: each passes with the others, each fails alone, in Entra's own words."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import pytest
from forgery.tokens import b64, ec_key, jwk, jwk_set, rsa_key, signed
from hypothesis import given
from hypothesis import strategies as st

from spire_bridge.cloud.entra.refusals import oauth_error
from spire_bridge.cloud.entra.sts import EntraTrust, evaluate, parse_trust
from spire_bridge.cloud.issuer_documents import IssuerDocuments
from spire_bridge.cloud.presentation import Presentation
from spire_bridge.cloud.presented_token import PresentedToken
from spire_bridge.cloud.rule import Outcome, Refusal, Verdict

NOW = 1_700_000_000  # 2023-11-14T22:13:20Z
ISSUER = "https://issuer.example.org"
SUBJECT = "spiffe://example.org/ns/prod/sa/web"
AUDIENCE = "api://AzureADTokenExchange"
APPLICATION = "11111111-1111-1111-1111-111111111111"
TENANT = "22222222-2222-2222-2222-222222222222"
KEY = rsa_key()
KEYS = (jwk(KEY, kid="one", use="sig"), jwk(KEY, kid="svid", use="jwt-svid"), jwk(KEY, kid="bare"))


def documents(issuer: str = ISSUER) -> IssuerDocuments:
    return IssuerDocuments.read(json.dumps({"issuer": issuer}).encode(), jwk_set(*KEYS))


DOCUMENTS = documents()
CREDENTIAL: dict[str, Any] = {
    "id": "3",
    "name": "web",
    "issuer": ISSUER,
    "subject": SUBJECT,
    "audiences": [AUDIENCE],
    "description": None,
}
CLAIMS = {"iss": ISSUER, "sub": SUBJECT, "aud": [AUDIENCE], "iat": NOW - 10, "exp": NOW + 290}
WHOLE = {
    "application": {"appId": APPLICATION, "displayName": "Web"},
    "tenant": {"id": TENANT},
    "request": {
        "tenant": TENANT,
        "client_id": APPLICATION,
        "scope": "https://vault.azure.net/.default",
    },
}


def trust(*credentials: Mapping[str, Any], **members: Any) -> EntraTrust:
    listed = {"federatedIdentityCredentials": credentials or [CREDENTIAL]}
    return parse_trust(json.dumps({**WHOLE, **listed, **members}).encode(), name="fic.json")


def token(header: Mapping[str, Any] | None = None, **claims: Any) -> str:
    """The good token with other members; None takes one away."""
    head, body = (
        {k: v for k, v in part.items() if v is not None}
        for part in ({"alg": "RS256", "kid": "one", **(header or {})}, {**CLAIMS, **claims})
    )
    return signed(KEY, head, body, "RS256")


def verdict(presented: str, to: EntraTrust, found: IssuerDocuments = DOCUMENTS) -> Verdict:
    return evaluate(Presentation(PresentedToken.read(presented), found, NOW), to)


def refused(outcome: Verdict, clause: str) -> Refusal:
    assert outcome.failed is not None
    assert outcome.failed.name == clause
    assert outcome.failed.check.found
    assert outcome.failed.check.wanted
    assert outcome.failed.check.fix
    assert outcome.refusal is not None
    assert outcome.identity == {}
    return outcome.refusal


def test_a_good_token_is_the_applications_service_principal() -> None:
    outcome = verdict(token(), trust())
    assert {clause.outcome for clause in outcome.clauses} == {Outcome.PASSED}
    assert outcome.identity == {
        "service_principal": APPLICATION,
        "display_name": "Web",
        "tenant": TENANT,
        "federated_credential": "web",
        "scope": "https://vault.azure.net/.default",
        "expires_in": 3_599,
    }


CHECK = (
    "Please check your federated identity credential Subject, Audience and Issuer against the"
    " presented assertion. https://docs.microsoft.com/en-us/azure/active-directory/develop/"
    "workload-identity-federation"
)
NO_MATCH = "No matching federated identity record found for presented assertion"
CASE = (
    f"{NO_MATCH} subject 'spiffe://example.org/ns/Prod/sa/web'. The subject matches with"
    " case-insensitive comparison, but not with case-sensitive comparison. Check your federated"
    " identity credential Subject, Audience and Issuer against the presented assertion. See"
    " documentation at: https://learn.microsoft.com/entra/workload-id/workload-identity-federation."
    " See breaking change notification and remediation at: https://learn.microsoft.com/en-us/entra/"
    "identity-platform/reference-breaking-changes#august-2024."
)
NO_KEY = (
    "The certificate with identifier {} used to sign the federated credential could not be found in"
    f" the metadata of identity provider {ISSUER}. Please validate that your Identity Provider's"
    " metadata exposes the key used to sign the incoming token."
)
TIME = (
    "Client assertion is not within its valid time range. Current time:"
    " 2023-11-14T22:13:20.0000000Z, assertion valid from {}, expiry time of assertion {}. Review"
    " the documentation at"
    " https://learn.microsoft.com/entra/identity-platform/certificate-credentials ."
)
HASH = "DFA184AB5E2B3F6529B8CFCE195305014236E297"
HASH_KEY_ID = b64(bytes.fromhex(HASH))


@pytest.mark.parametrize(
    ("presented", "clause", "code", "error", "message"),
    [
        ("x", "token", 50027, "invalid_request", "JWT token is invalid or malformed."),
        (
            token({"alg": "ES256"}),
            "signing algorithm",
            5002738,
            "invalid_request",
            "Invalid JWT token. 'ES256' is not a supported signature algorithm.",
        ),
        (
            token(iss="https://login.microsoftonline.com/x/v2.0"),
            "kind of token",
            700222,
            "invalid_client",
            "AAD-issued tokens may not be used for federated identity flows.",
        ),
        (
            token(iss=APPLICATION, sub=APPLICATION),
            "kind of token",
            700027,
            "invalid_client",
            "Client assertion contains an invalid signature. [Reason - The key was not found.]",
        ),
        (
            token(iss=f"{ISSUER}/"),
            "issuer",
            700211,
            "invalid_client",
            f"{NO_MATCH} issuer '{ISSUER}/'. {CHECK}",
        ),
        (token(sub="other"), "subject", 700213, "invalid_client",
         f"{NO_MATCH} subject 'other'. {CHECK}"),
        (token(sub=SUBJECT.replace("prod", "Prod")), "subject", 7002138, "invalid_client", CASE),
        (token(aud="other"), "audience", 700212, "invalid_client",
         f"{NO_MATCH} audience 'other'. {CHECK}"),
        (token({"kid": "two"}), "signing key", 7000272, "invalid_client", NO_KEY.format("two")),
        (token({"kid": None}), "signing key", 7000272, "invalid_client", NO_KEY.format("")),
        (token({"kid": HASH_KEY_ID}), "signing key", 7000272, "invalid_client",
         NO_KEY.format(HASH)),
        (
            token(exp=NOW - 301),
            "validity",
            700024,
            "invalid_client",
            TIME.format("1970-01-01T00:00:00.0000000Z", "2023-11-14T22:08:19.0000000Z"),
        ),
        (
            token(nbf=NOW + 301),
            "validity",
            700024,
            "invalid_client",
            TIME.format("2023-11-14T22:18:21.0000000Z", "2023-11-14T22:18:10.0000000Z"),
        ),
    ],
)  # fmt: skip
def test_refusals_word_by_word(
    presented: str, clause: str, code: int, error: str, message: str
) -> None:
    refusal = refused(verdict(presented, trust()), clause)
    assert (refusal.code, refusal.message) == (f"AADSTS{code}", message)
    assert oauth_error(refusal.code) == error
    assert refusal.status == (401 if error == "invalid_client" else 400)
    assert not refusal.assumed


@pytest.mark.parametrize(
    ("presented", "clause"),
    [
        (token({"alg": "RS384"}), "signing algorithm"),
        (token(iss=None), "issuer"),
        (token(sub=None), "subject"),
        (token(aud=[]), "audience"),
        (token({"kid": "svid"}), "key use"),
        (token({"kid": "bare"}), "key use"),
        (token()[:-8] + "A" * 8, "signature"),
        (token(exp=None), "validity"),
    ],
)
def test_words_that_no_source_gives_are_marked(presented: str, clause: str) -> None:
    assert refused(verdict(presented, trust()), clause).assumed


def test_an_issuer_that_cannot_be_reached() -> None:
    unreachable = IssuerDocuments.unreachable("connection refused")
    assert refused(verdict(token(), trust(), unreachable), "discovery") == Refusal(
        "AADSTS501661", "Request to External OIDC endpoint failed."
    )
    other = refused(verdict(token(), trust(), documents("https://other.example.org")), "discovery")
    assert (other.code, other.assumed) == ("AADSTS501661", True)


def test_a_wrong_tenant_or_application() -> None:
    request = {"tenant": "elsewhere", "client_id": "nobody"}
    refusal = refused(verdict(token(), trust(request=request)), "tenant")
    assert refusal.code == "AADSTS90002"
    assert refusal.message == (
        "Tenant 'elsewhere' not found. This may happen if there are no active subscriptions for the"
        " tenant. Check to make sure you have the correct tenant ID. Check with your subscription"
        " administrator."
    )
    refusal = refused(verdict(token(), trust(request={"client_id": "nobody"})), "application")
    assert refusal.code == "AADSTS700016"
    assert refusal.message == (
        f"Application with identifier 'nobody' was not found in the directory '{TENANT}'. This can"
        " happen if the application has not been installed by the administrator of the tenant or"
        " consented to by any user in the tenant. You may have sent your authentication request to"
        " the wrong tenant."
    )
    assert oauth_error(refusal.code) == "unauthorized_client"


def test_an_application_without_credentials() -> None:
    none = trust(federatedIdentityCredentials={"value": []})
    refusal = refused(verdict(token(), none), "federated credentials")
    assert (refusal.code, refusal.message) == (
        "AADSTS70025",
        f"The client '{APPLICATION}'(Web) has no configured federated identity credentials.",
    )


def test_issuer_subject_and_audience_must_be_of_one_credential() -> None:
    other = {**CREDENTIAL, "name": "other", "subject": "other", "audiences": ["own"]}
    both = trust(CREDENTIAL, other)
    assert verdict(token(sub="other", aud="own"), both).identity["federated_credential"] == "other"
    refused(verdict(token(sub="other"), both), "audience")
    refused(verdict(token(aud="own"), both), "audience")


def test_a_flexible_credential_is_not_for_issuers_of_ones_own() -> None:
    flexible = {
        "name": "flexible",
        "issuer": ISSUER,
        "subject": None,
        "audiences": [AUDIENCE],
        "claimsMatchingExpression": {"value": "claims['sub'] matches 'spiffe://*'"},
    }
    refusal = refused(verdict(token(), trust(flexible)), "subject")
    assert (refusal.code, refusal.assumed) == ("AADSTS700213", True)
    assert verdict(token(), trust(flexible, CREDENTIAL)).accepted


@pytest.mark.parametrize("claims", [{"exp": NOW - 299}, {"nbf": NOW + 299}, {"iat": None}])
def test_clocks_may_differ_by_five_minutes(claims: dict[str, Any]) -> None:
    assert verdict(token(**claims), trust()).accepted


def test_a_time_that_no_calendar_has() -> None:
    refusal = refused(verdict(token(nbf=10**18), trust()), "validity")
    assert "valid from 9999-12-31T23:59:59.0000000Z" in refusal.message


@given(data=st.binary() | st.text(), found=st.binary())
def test_no_token_raises(data: bytes | str, found: bytes) -> None:
    read = IssuerDocuments.read(found, found)
    outcome = evaluate(Presentation(PresentedToken.read(data), read, NOW), trust())
    assert outcome.failed is not None
    assert outcome.failed.name


JSON = st.none() | st.booleans() | st.integers() | st.text() | st.lists(st.text(), max_size=3)


@given(claims=st.dictionaries(st.sampled_from([*CLAIMS, "nbf"]), JSON), now=st.floats(-1e18, 1e18))
def test_any_claims_have_one_verdict(claims: dict[str, Any], now: float) -> None:
    presentation = Presentation(
        PresentedToken.read(token(**claims)), DOCUMENTS, now, lambda *_: True
    )
    outcome = evaluate(presentation, trust())
    assert outcome == evaluate(presentation, trust())
    assert outcome.accepted or outcome.failed is not None


def test_other_keys_than_rsa_are_of_no_use() -> None:
    es256 = signed(ec_key(1), {"alg": "ES256", "kid": "ec"}, CLAIMS)
    found = IssuerDocuments.read(
        json.dumps({"issuer": ISSUER}).encode(), jwk_set(jwk(ec_key(1), kid="ec", use="sig"))
    )
    assert refused(verdict(es256, trust(), found), "signing algorithm").code == "AADSTS5002738"
