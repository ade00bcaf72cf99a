"""AssumeRoleWithWebIdentity: every answer word by word, and every rule failed alone."""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import sha512
from typing import Any

import pytest
from forgery.tokens import jwk, signed
from hypothesis import given
from hypothesis import strategies as st
from web_identities import (
    AUDIENCE,
    CLAIMS,
    EC_KEY,
    HOST,
    ISSUER,
    JWK,
    KEY_ID,
    NOW,
    OTHER_KEY,
    PINNED,
    PROVIDER_ARN,
    ROLE_ARN,
    SUBJECT,
    asked,
    described,
    documents,
    policy,
    read,
    statement,
    token,
    trust,
    without,
)

from spire_bridge.cloud.aws.sts import RULES, TITLE, AwsTrust
from spire_bridge.cloud.issuer_documents import IssuerDocuments
from spire_bridge.cloud.rule import Outcome, Refusal, Verdict

INVALID = "InvalidIdentityToken"
NOT_VALIDATED = (
    "The web identity token provided could not be validated. "
    "See the AssumeRoleWithWebIdentity documentation for requirements."
)
NO_KEY = (
    "Couldn't retrieve verification key from your identity provider,  "
    "please reference AssumeRoleWithWebIdentity documentation for requirements"
)
NO_JWT = (
    "The ID Token provided is not a valid JWT. (You may see this error if you sent an Access Token)"
)
TWO_AUDIENCES = (
    "Token audience contains more than one audience while authorized party is not present"
)
DENIED = "Not authorized to perform sts:AssumeRoleWithWebIdentity"
ROLES = "https://aws.amazon.com/roles"
TAGS = "https://aws.amazon.com/tags"
SOURCE = "https://aws.amazon.com/source_identity"
OTHER_ROLE = "arn:aws:iam::123456789012:role/other"

FREE = statement(
    Action=["sts:AssumeRoleWithWebIdentity", "sts:TagSession", "sts:SetSourceIdentity"],
    Condition=PINNED,
)


@dataclass
class Row:
    """A request that fails one rule, and the answer to it."""

    rule: str
    code: str
    message: str
    status: int = 400
    text: Any = None
    trusted: AwsTrust | None = None
    keys: IssuerDocuments | None = None
    assumed: bool = False
    now: float = NOW

    @property
    def verdict(self) -> Verdict:
        return asked(self.text, self.trusted, keys=self.keys, now=self.now)


def claims(**changes: Any) -> str:
    return token({**CLAIMS, **changes})


def carrying(claim: str, value: Any) -> str:
    return token({**CLAIMS, claim: value})


def request(**parameters: Any) -> AwsTrust:
    return trust(FREE, request={"RoleSessionName": "web", **parameters})


def many(kind: str, count: int) -> list[dict[str, Any]]:
    key = JWK if kind == "RSA" else jwk(EC_KEY, use="sig")
    return [{**key, "kid": f"{kind}-{i}"} for i in range(count)]


ROWS = [
    # parameters
    Row(
        "request parameters",
        "ValidationError",
        "1 validation error detected: Value 'a/b' at 'roleSessionName' failed to satisfy"
        r" constraint: Member must satisfy regular expression pattern: [\w+=,.@-]*",
        trusted=request(RoleSessionName="a/b"),
        assumed=True,
    ),
    Row(
        "request parameters",
        "ValidationError",
        "1 validation error detected: Value 'a' at 'roleSessionName' failed to satisfy"
        " constraint: Member must have length greater than or equal to 2",
        trusted=request(RoleSessionName="a"),
        assumed=True,
    ),
    Row(
        "request parameters",
        "ValidationError",
        f"1 validation error detected: Value '{'a' * 65}' at 'roleSessionName' failed to satisfy"
        " constraint: Member must have length less than or equal to 64",
        trusted=request(RoleSessionName="a" * 65),
        assumed=True,
    ),
    Row(
        "request parameters",
        "ValidationError",
        "2 validation errors detected: Value 'a' at 'roleSessionName' failed to satisfy"
        " constraint: Member must have length greater than or equal to 2; Value '899' at"
        " 'durationSeconds' failed to satisfy constraint:"
        " Member must have value greater than or equal to 900",
        trusted=request(RoleSessionName="a", DurationSeconds=899),
        assumed=True,
    ),
    Row(
        "request parameters",
        "ValidationError",
        "1 validation error detected: Value '43201' at 'durationSeconds' failed to satisfy"
        " constraint: Member must have value less than or equal to 43200",
        trusted=request(DurationSeconds=43201),
        assumed=True,
    ),
    Row(
        "request parameters",
        "ValidationError",
        "1 validation error detected: Value 'arn:aws:iam::1:x' at 'roleArn' failed to satisfy"
        " constraint: Member must have length greater than or equal to 20",
        trusted=request(RoleArn="arn:aws:iam::1:x"),
        assumed=True,
    ),
    Row(
        "request parameters",
        "ValidationError",
        "1 validation error detected: Value at 'webIdentityToken' failed to satisfy constraint:"
        " Member must have length greater than or equal to 4",
        text="abc",
        assumed=True,
    ),
    Row(
        "request parameters",
        "ValidationError",
        "1 validation error detected: Value at 'webIdentityToken' failed to satisfy constraint:"
        " Member must have length less than or equal to 20000",
        text="a" * 20_001,
        assumed=True,
    ),
    Row(
        "role",
        "ValidationError",
        "arn:aws:iam::123456789012:user/web is invalid",
        trusted=request(RoleArn="arn:aws:iam::123456789012:user/web"),
        assumed=True,
    ),
    Row(
        "provider ID",
        "IDPRejectedClaim",
        "graph.facebook.com: graph.facebook.com responded with HTTP/1.1 400 Bad Request",
        403,
        trusted=request(ProviderId="graph.facebook.com"),
    ),
    Row(
        "provider ID",
        INVALID,
        "Provided Token is not a Login With Amazon token",
        trusted=request(ProviderId="www.amazon.com"),
    ),
    Row(
        "provider ID",
        "AccessDenied",
        "Unrecognized OAuth provider. Do not include a provider parameter"
        " when submitting OpenIDConnect ID tokens",
        403,
        trusted=request(ProviderId=HOST),
        assumed=True,
    ),
    # the token itself
    Row("token format", INVALID, NO_JWT, text="an access token"),
    Row("token format", INVALID, NO_JWT, text=token(crit=["b64"], b64=True)),
    Row("token format", INVALID, NO_JWT, text=token(b"[]")),
    *(
        Row(
            "required claims",
            INVALID,
            f"Missing a required claim: {name}",
            text=token(without(name)),
        )
        for name in ("iss", "sub", "aud", "iat", "exp")
    ),
    Row("required claims", INVALID, "Claim is not allowed to be empty: aud", text=claims(aud=[])),
    Row(
        "required claims",
        "InternalFailure",
        "Unknown error validating third-party token",
        500,
        text=claims(sub=None),
    ),
    Row("required claims", INVALID, NOT_VALIDATED, text=claims(sub=["x"]), assumed=True),
    Row("one audience", INVALID, TWO_AUDIENCES, text=claims(aud=[AUDIENCE, "b"])),
    Row(
        "identity provider",
        INVALID,
        f"No OpenIDConnect provider found in your account for {ISSUER}/",
        text=claims(iss=f"{ISSUER}/"),
    ),
    Row(
        "identity provider",
        INVALID,
        f"No OpenIDConnect provider found in your account for {ISSUER}",
        trusted=request(RoleArn="arn:aws:iam::999999999999:role/api"),
    ),
    # times
    Row(
        "time of issue",
        INVALID,
        f"Token issued in the future: {NOW + 301}",
        text=claims(iat=NOW + 301),
    ),
    Row("time of issue", INVALID, "Invalid timestamp in token claims.", text=claims(iat=1.5)),
    Row("time of issue", INVALID, "Invalid timestamp in token claims.", text=claims(iat=None)),
    Row(
        "not before",
        INVALID,
        f"Token not yet valid: current date/time {NOW + 300} must be after or equal to"
        f" the not-before date/time {NOW + 301}",
        text=claims(nbf=NOW + 301),
    ),
    Row("not before", INVALID, "Invalid timestamp in token claims.", text=claims(nbf="soon")),
    Row(
        "expiry",
        "ExpiredTokenException",
        f"Token expired: current date/time {NOW - 300} must be before"
        f" the expiration date/time {NOW - 300}",
        text=claims(exp=NOW - 300),
    ),
    Row("expiry", INVALID, "Invalid timestamp in token claims.", text=claims(exp=NOW + 0.5)),
    # the audience
    Row("registered audience", INVALID, NOT_VALIDATED, text=claims(aud="unregistered")),
    Row("registered audience", INVALID, NOT_VALIDATED, text=claims(azp="unregistered")),
    Row("registered audience", INVALID, NOT_VALIDATED, text=claims(azp="")),
    # keys
    Row(
        "issuer's documents",
        "IDPCommunicationError",
        "The request could not be fulfilled because the identity provider (IDP) that was asked to"
        " verify the incoming identity token could not be reached.",
        keys=IssuerDocuments.unreachable("connection refused"),
        assumed=True,
    ),
    Row("algorithm", INVALID, NOT_VALIDATED, text=token(alg="PS256"), assumed=True),
    Row("number of keys", INVALID, NO_KEY, keys=documents(JWK, *many("RSA", 100))),
    Row("signing key", INVALID, NO_KEY, text=token(kid="unknown")),
    Row("signing key", INVALID, NO_KEY, text=token(kid=None), keys=documents(JWK, *many("RSA", 1))),
    Row("signing key", INVALID, NO_KEY, keys=documents({**JWK, "use": "enc"})),
    Row("signing key", INVALID, NO_KEY, keys=documents(without("n", JWK))),
    Row("signing key", INVALID, NO_KEY, keys=documents(jwk(EC_KEY, kid=KEY_ID))),
    Row(
        "signing key",
        INVALID,
        NO_KEY,
        text=token(kid=None),
        keys=documents(without("kid", JWK)),
    ),
    Row("signature", INVALID, NOT_VALIDATED, keys=documents(jwk(OTHER_KEY, kid=KEY_ID))),
    Row("signature", INVALID, NOT_VALIDATED, keys=documents({**JWK, "key_ops": ["verify"]})),
    # what the issuer says to AWS alone
    Row(
        "roles claim",
        INVALID,
        "The target role ARN is not present in the roles claim of the identity token",
        text=carrying(ROLES, [OTHER_ROLE]),
    ),
    Row(
        "roles claim",
        INVALID,
        "The roles claim contains no valid role ARNs",
        text=carrying(ROLES, []),
    ),
    Row(
        "roles claim",
        INVALID,
        "The roles claim is not in a supported format",
        text=carrying(ROLES, 123),
        assumed=True,
    ),
    Row(
        "session tags",
        INVALID,
        "principal_tags passed in claim is not in correct format.",
        text=carrying(TAGS, {"principal_tags": {"Team": "payments"}}),
        trusted=trust(FREE),
    ),
    Row(
        "source identity",
        INVALID,
        "The source identity claim is invalid.",
        text=carrying(SOURCE, "a b"),
        trusted=trust(FREE),
        assumed=True,
    ),
    # the role
    Row("trust policy", "AccessDenied", DENIED, 403, text=claims(sub=f"{SUBJECT}2")),
    Row(
        "permission to tag",
        "AccessDenied",
        "Not authorized to perform sts:TagSession",
        403,
        text=carrying(TAGS, {"principal_tags": {"Team": ["payments"]}}),
        assumed=True,
    ),
    Row(
        "permission to set a source identity",
        "AccessDenied",
        "Not authorized to perform sts:SetSourceIdentity",
        403,
        text=carrying(SOURCE, "web"),
        assumed=True,
    ),
    Row(
        "session duration",
        "ValidationError",
        "The requested DurationSeconds exceeds the MaxSessionDuration set for this role.",
        trusted=request(DurationSeconds=7201),
        assumed=True,
    ),
    Row(
        "session policy",
        "MalformedPolicyDocument",
        "The policy is not in the valid JSON format.",
        trusted=request(Policy="{"),
        assumed=True,
    ),
    Row(
        "session policy",
        "ValidationError",
        "1 validation error detected: 11 policies at 'policyArns'",
        trusted=request(PolicyArns=["arn"] * 11),
        assumed=True,
    ),
]


@pytest.mark.parametrize("row", ROWS, ids=lambda row: f"{row.rule}: {row.message[:40]}")
def test_each_refusal_comes_word_by_word_from_its_rule(row: Row) -> None:
    verdict = row.verdict
    assert verdict.failed is not None
    assert verdict.failed.name == row.rule
    assert verdict.refusal == Refusal(row.code, row.message, row.status, row.assumed)
    assert verdict.failed.check.fix
    assert verdict.failed.check.wanted
    assert verdict.identity == {}


def test_every_rule_is_failed_alone_by_a_request() -> None:
    """Everything before the rule that fails has passed, and nothing after it is reached."""
    assert {row.rule for row in ROWS} == {rule.name for rule in RULES} - {"packed size"}
    for row in ROWS:
        outcomes = [clause.outcome for clause in row.verdict.clauses]
        at = outcomes.index(Outcome.FAILED)
        assert set(outcomes[:at]) <= {Outcome.PASSED}
        assert set(outcomes[at + 1 :]) <= {Outcome.NOT_REACHED}


def test_many_tags_are_too_large() -> None:
    def tags(count: int) -> str:
        values = {f"k{i}": [sha512(bytes([i])).hexdigest()] for i in range(count)}
        return carrying(TAGS, {"principal_tags": values})

    refused = asked(tags(50), trust(FREE))
    assert refused.failed is not None
    assert refused.failed.name == "packed size"
    assert refused.failed.assumed
    assert refused.refusal is not None
    assert refused.refusal.code == "PackedPolicyTooLarge"
    assert refused.refusal.message.startswith("Packed size of session tags consumes ")
    assert asked(tags(2), trust(FREE)).accepted
    too_many = asked(tags(51), trust(FREE))
    assert too_many.refusal == Refusal(
        INVALID, "Session tags exceed the 50-tag limit.", assumed=True
    )


@pytest.mark.parametrize(
    ("text", "keys"),
    [
        (token(), None),
        (claims(aud=AUDIENCE), None),
        (claims(aud=["unregistered", "b"], azp="another"), None),
        (claims(iat=NOW + 300, nbf=NOW + 300), None),
        (claims(exp=NOW - 299), None),
        (claims(iat=str(NOW), exp=str(NOW + 60)), None),
        (claims(**{"https://aws.amazon.com/roles": None}), None),
        (claims(**{"https://aws.amazon.com/roles": [OTHER_ROLE, f" {ROLE_ARN} ", 5]}), None),
        (claims(**{"https://aws.amazon.com/roles": f"{OTHER_ROLE};{ROLE_ARN}"}), None),
        (token(alg="RS512"), None),
        (token(kid=None), None),
        (token(), documents(jwk(OTHER_KEY, kid=KEY_ID), JWK)),
        (token(), documents(JWK, *many("RSA", 99), *many("EC", 1))),
        (token(), documents({**JWK, "alg": "RS512", "new": 1})),
        (
            signed(EC_KEY, {"alg": "ES256", "kid": "EC-0"}, CLAIMS),
            documents(*many("RSA", 101), *many("EC", 1)),
        ),
    ],
)
def test_what_sts_forgives(text: str, keys: IssuerDocuments | None) -> None:
    trusted = trust(statement(Condition={"StringEquals": {f"{HOST}:sub": SUBJECT}}))
    verdict = asked(text, trusted, keys=keys)
    assert verdict.accepted, verdict.failed


def test_who_the_caller_is_then() -> None:
    accepted = asked()
    assert accepted.verifier == TITLE
    assert accepted.trust == "role.json"
    assert accepted.identity == {
        "Arn": "arn:aws:sts::123456789012:assumed-role/api/spire-bridge",
        "SubjectFromWebIdentityToken": SUBJECT,
        "Audience": AUDIENCE,
        "Provider": PROVIDER_ARN,
        "DurationSeconds": 3600,
    }
    refused = asked(claims(sub="spiffe://example.org/ns/payments/sa/other"))
    assert (refused.accepted, refused.identity) == (False, {})


def test_tags_and_source_identity_go_into_the_session() -> None:
    tagged = {"principal_tags": {"Team": ["payments"]}, "transitive_tag_keys": ["Team"]}
    flat = {f"{TAGS}/principal_tags/Team": "payments", f"{TAGS}/transitive_tag_keys": ["Team"]}
    for more in ({TAGS: tagged}, flat):
        identity = asked(claims(**more, **{SOURCE: "web"}), trust(FREE)).identity
        assert identity["PrincipalTags"] == {"Team": "payments"}
        assert identity["TransitiveTagKeys"] == ["Team"]
        assert identity["SourceIdentity"] == "web"


def test_the_authorized_party_is_the_audience_everywhere() -> None:
    party = claims(aud=["x", "y"], azp="another")
    pinned = {"StringEquals": {f"{HOST}:sub": SUBJECT, f"{HOST}:aud": "another"}}
    accepted = asked(party, trust(statement(Condition=pinned)))
    assert accepted.identity["Audience"] == "another"
    assert not asked(party, trust(FREE)).accepted


def test_a_number_is_a_subject_too() -> None:
    trusted = trust(statement(Condition={"StringEquals": {f"{HOST}:sub": "123"}}))
    assert asked(claims(sub=123), trusted).identity["SubjectFromWebIdentityToken"] == "123"
    assert not asked(claims(sub=124), trusted).accepted


def test_a_session_may_outlive_its_token() -> None:
    accepted = asked(claims(exp=NOW + 1), request(DurationSeconds=7200))
    assert accepted.identity["DurationSeconds"] == 7200


def test_what_is_not_described_is_assumed() -> None:
    bare = read(policy())
    verdict = asked(None, bare)
    assumed = {clause.name for clause in verdict.clauses if clause.assumed}
    assert verdict.accepted
    assert {"role", "identity provider", "registered audience", "session duration"} <= assumed
    audience = next(c for c in verdict.clauses if c.name == "registered audience")
    assert audience.check.wanted.endswith(f"it must be {AUDIENCE}")
    known = asked()
    assert {c.name for c in known.clauses if c.assumed} == {"session policy", "packed size"}


def test_a_token_larger_than_is_read_here_is_no_known_refusal() -> None:
    verdict = asked("a" * 17_000)
    assert verdict.failed is not None
    assert (verdict.failed.name, verdict.failed.assumed) == ("token format", True)


def test_the_trailing_slash_is_explained() -> None:
    failed = asked(claims(iss=f"{ISSUER}/")).failed
    assert failed is not None
    assert "slash" in failed.check.fix


@given(data=st.binary() | st.text(), now=st.floats())
def test_no_bytes_at_no_time_raise(data: bytes | str, now: float) -> None:
    verdict = asked(data, now=now)
    assert verdict.failed is not None


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=6,
)
NAMES = st.sampled_from([*CLAIMS, "azp", "nbf", "amr", "email", ROLES, TAGS, SOURCE])


@given(changes=st.dictionaries(NAMES, JSON), now=st.floats() | st.just(float(NOW)))
def test_no_claims_raise_and_a_refusal_names_a_clause(changes: dict[str, Any], now: float) -> None:
    try:
        text = token({**CLAIMS, **changes})
    except (ValueError, UnicodeEncodeError):  # what no JSON can say
        return
    verdict, again = (asked(text, trust(FREE), now=now) for _ in range(2))
    assert verdict == again
    assert verdict.accepted == (verdict.failed is None)
    assert verdict.accepted == bool(verdict.identity)
    assert len(verdict.clauses) == len(RULES)


def test_the_policy_decides_last_of_what_the_description_says() -> None:
    other = described(policy(statement(Principal={"Federated": f"{PROVIDER_ARN}2"})))
    verdict = asked(None, read(other))
    assert verdict.refusal == Refusal("AccessDenied", DENIED, 403)
