"""What a trust is said to ask of tokens agrees with what the verifier accepts."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from spire_bridge.cloud.expectation import Expectation
from spire_bridge.cloud.lint.answers import ask
from spire_bridge.cloud.lint.question import Asking
from spire_bridge.cloud.subjects import SubjectBound, SubjectIndex
from spire_bridge.cloud.trust_description import TrustDescription
from spire_bridge.cloud.verifiers import VERIFIERS

ISSUER, NOW = "https://issuer.example.org", 1_800_000_000
WEB = "spiffe://example.org/ns/a/sa/web"
LONG = f"spiffe://example.org/ns/a/sa/{'x' * 120}"
INDEX = SubjectIndex(
    [WEB, LONG, "spiffe://example.org", "spiffe://other.org/ns/a/sa/web"]
    + [f"spiffe://example.org/ns/{n}/sa/{s}" for n in ("a", "b", "c") for s in ("web", "db", "x")]
    + ["spiffe://example.org/ns/a/deeper/sa/web", "spiffe://example.org/NS/a/sa/web"]
)
POOL = "projects/1/locations/global/workloadIdentityPools/p"


def described(key: str, content: Any) -> Asking:
    verifier = VERIFIERS[key]
    trust = verifier.rules.parse_trust(json.dumps(content).encode(), name="trust")
    return Asking.of(TrustDescription(verifier, "trust", trust))


def aws(*statements: dict[str, Any]) -> Asking:
    base = {
        "Effect": "Allow",
        "Principal": {"Federated": "arn:aws:iam::123456789012:oidc-provider/issuer.example.org"},
        "Action": "sts:AssumeRoleWithWebIdentity",
    }
    policy = {"Version": "2012-10-17", "Statement": [{**base, **s} for s in statements]}
    role = {"Arn": "arn:aws:iam::123456789012:role/r", "AssumeRolePolicyDocument": policy}
    provider = {"Url": ISSUER, "ClientIDList": ["other", "sts.amazonaws.com"]}
    return described("aws", {"role": role, "provider": provider})


def sub(operator: str, *values: str) -> dict[str, Any]:
    return {"Condition": {operator: {"issuer.example.org:sub": list(values)}}}


def google(condition: str = "", mapping: str = "assertion.sub", *members: str) -> Asking:
    provider: dict[str, Any] = {
        "name": f"{POOL}/providers/x",
        "oidc": {"issuerUri": ISSUER},
        "attributeMapping": {"google.subject": mapping},
        "attributeCondition": condition,
    }
    if not members:
        return described("gcp", provider)
    binding = {"role": "roles/iam.workloadIdentityUser", "members": list(members)}
    policy = {"bindings": [binding]}
    account = "a@p.iam.gserviceaccount.com"
    return described("gcp", {"provider": provider, "serviceAccount": account, "iamPolicy": policy})


def entra(*subjects: str) -> Asking:
    credentials = [
        {"name": str(number), "issuer": ISSUER, "subject": subject}
        for number, subject in enumerate(subjects)
    ]
    return described("azure", credentials)


def vault(**role: Any) -> Asking:
    content = {"role_type": "jwt", "user_claim": "sub", "bound_audiences": "vault", **role}
    config = {"oidc_discovery_url": ISSUER, "bound_issuer": ISSUER}
    return described("vault", {"role": content, "config": config, "role_name": "r"})


def kubernetes(*rules: dict[str, str], **entry: Any) -> Asking:
    authenticator = {
        "issuer": {"url": ISSUER, "audiences": ["k"]},
        "claimValidationRules": list(rules),
        "claimMappings": {"username": {"claim": "sub", "prefix": ""}},
        **entry,
    }
    return described(
        "kubernetes",
        {
            "apiVersion": "apiserver.config.k8s.io/v1",
            "kind": "AuthenticationConfiguration",
            "jwt": [authenticator],
        },
    )


def expression(text: str) -> dict[str, str]:
    return {"expression": text, "message": "no"}


DENIED = {"Effect": "Deny", **sub("StringEquals", WEB)}
TRUSTS = {
    "aws any": aws({}),
    "aws one": aws(sub("StringEquals", WEB)),
    "aws several": aws(sub("StringEquals", WEB, "spiffe://example.org/ns/b/sa/db", "absent")),
    "aws star": aws(sub("StringLike", "spiffe://example.org/ns/a/*")),
    "aws stars": aws(sub("StringLike", "spiffe://*/ns/?/sa/w*")),
    "aws not": aws(sub("StringNotLike", "spiffe://example.org/ns/a/*")),
    "aws case": aws(sub("StringEqualsIgnoreCase", WEB.upper())),
    "aws if exists": aws(sub("StringLikeIfExists", "spiffe://example.org/ns/a/*")),
    "aws any value": aws(sub("ForAnyValue:StringLike", "spiffe://example.org/ns/a/*")),
    "aws variable": aws(sub("StringEquals", "${issuer.example.org:sub}")),
    "aws two": aws(sub("StringLike", "*/sa/web"), sub("StringEquals", LONG)),
    "aws denied": aws(sub("StringLike", "spiffe://example.org/*"), DENIED),
    "aws both": aws(
        {
            "Condition": {
                "StringLike": {"issuer.example.org:sub": "*/sa/*"},
                "StringEquals": {
                    "issuer.example.org:sub": [WEB, "spiffe://example.org"],
                    "issuer.example.org:aud": "sts.amazonaws.com",
                },
            }
        }
    ),
    "google any": google(),
    "google one": google(f"assertion.sub == '{WEB}'"),
    "google starts": google('assertion.sub.startsWith("spiffe://example.org/ns/a/")'),
    "google mapped": google("google.subject.startsWith('spiffe://example.org/ns/b/')"),
    "google and": google("assertion.sub.startsWith('spiffe://') && assertion.sub.endsWith('db')"),
    "google or": google(f"assertion.sub == '{WEB}' || assertion.sub.endsWith('/db')"),
    "google extract": google("", "assertion.sub.extract('spiffe://example.org/{path}')"),
    "google extract one": google(
        "google.subject == 'ns/a/sa/web'", "assertion.sub.extract('spiffe://example.org/{path}')"
    ),
    "google principal": google(
        "", "assertion.sub", f"principal://iam.googleapis.com/{POOL}/subject/{WEB}"
    ),
    "google pool": google("", "assertion.sub", f"principalSet://iam.googleapis.com/{POOL}/*"),
    "entra one": entra(WEB),
    "entra several": entra(WEB, LONG, "spiffe://example.org/ns/a/sa/we"),
    "vault any": vault(),
    "vault one": vault(bound_subject=WEB),
    "vault claims": vault(bound_claims={"sub": [WEB, LONG]}),
    "vault glob": vault(bound_claims={"sub": "spiffe://*/sa/web"}, bound_claims_type="glob"),
    "vault no glob": vault(bound_claims={"sub": "spiffe://*/sa/web"}),
    "vault pointer": vault(bound_claims={"/sub": WEB}),
    "vault both": vault(bound_subject=WEB, bound_claims={"sub": "*/db"}, bound_claims_type="glob"),
    "kubernetes any": kubernetes(),
    "kubernetes one": kubernetes({"claim": "sub", "requiredValue": WEB}),
    "kubernetes starts": kubernetes(expression("claims.sub.startsWith('spiffe://example.org/')")),
    "kubernetes rules": kubernetes(
        expression("claims.sub.startsWith('spiffe://example.org/')"),
        expression("claims.sub.endsWith('/web')"),
    ),
    "kubernetes user": kubernetes(
        userValidationRules=[expression("user.username.endsWith('/sa/db')")]
    ),
}


NAME_NOBODY = frozenset({"vault no glob", "vault both"})


def undecided(item: Asking) -> Asking:
    """The same, asked about each subject there is."""
    each = (
        replace(expectation, subjects=SubjectBound.any(), is_decided=False)
        for expectation in item.expectations
    )
    return replace(item, expectations=tuple(each))


@pytest.mark.parametrize("name", TRUSTS)
def test_no_subject_is_passed_over(name: str) -> None:
    item = TRUSTS[name]
    answers, each = ask(item, INDEX, NOW), ask(undecided(item), INDEX, NOW)
    assert answers.accepted == each.accepted
    assert bool(answers.accepted) is (name not in NAME_NOBODY)


@pytest.mark.parametrize("name", TRUSTS)
def test_nothing_but_the_subject_is_against_a_token(name: str) -> None:
    answers = ask(TRUSTS[name], INDEX, NOW)
    too_long = {"subject size"} if name.startswith("google") else set()
    refused = {clause for clause, listed in answers.refused.items() if listed}
    assert refused <= too_long


def test_a_google_subject_that_is_too_long_is_refused() -> None:
    answers = ask(TRUSTS["google any"], INDEX, NOW)
    assert [subject for subject, _ in answers.refused["subject size"]] == [LONG]
    assert answers.accepted == set(INDEX) - {LONG}


def of(name: str) -> Expectation:
    return TRUSTS[name].expectations[0]


def test_what_is_pinned() -> None:
    assert of("aws both").pins_audience
    assert of("aws both").audiences == ("sts.amazonaws.com",)
    assert not of("aws any").pins_audience, "the provider has two client IDs"
    assert of("google any").pins_audience
    assert of("vault any").pins_audience
    assert {of(name).issuer for name in TRUSTS} == {ISSUER}


def test_the_issuer_of_a_role_alone_is_not_known() -> None:
    role = {"role_type": "jwt", "user_claim": "sub", "bound_subject": WEB}
    (expectation,) = described("vault", role).expectations
    assert (expectation.issuer, expectation.pins_audience) == ("", False)
    config = {"oidc_discovery_url": ISSUER}
    assert described("vault", config).expectations == ()


def test_credentials_of_an_application() -> None:
    content = {
        "federatedIdentityCredentials": [{"issuer": ISSUER, "subject": WEB}],
        "application": {"appId": "00000000-0000-0000-0000-000000000001"},
    }
    (expectation,) = described("azure", content).expectations
    assert expectation.application == "00000000-0000-0000-0000-000000000001"
