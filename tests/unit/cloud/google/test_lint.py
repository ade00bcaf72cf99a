"""Providers that are weaker than meant, and subjects that are too long for them."""

from __future__ import annotations

import json
from typing import Any

import pytest

from spire_bridge.cloud.google.sts import lint, lint_subjects, parse_trust
from spire_bridge.cloud.google.trust import GoogleTrust
from spire_bridge.cloud.lint_finding import Severity

POOL = "projects/1/locations/global/workloadIdentityPools/pool"
EMAIL = "web@project.iam.gserviceaccount.com"
OIDC = {"issuerUri": "https://issuer.example.org", "allowedAudiences": ["own"]}
PROVIDER: dict[str, Any] = {
    "name": f"{POOL}/providers/spire",
    "oidc": OIDC,
    "attributeMapping": {"google.subject": "assertion.sub"},
    "attributeCondition": "assertion.sub.startsWith('spiffe://example.org/')",
}


def trust(beside: Any = None, **members: Any) -> GoogleTrust:
    whole = {"provider": {**PROVIDER, **members}, **(beside or {})}
    return parse_trust(json.dumps(whole).encode(), name="p.json")


def rules(of: GoogleTrust) -> list[tuple[str, Severity, str]]:
    findings = list(lint(of))
    assert all(finding.message and finding.fix for finding in findings)
    return [(finding.rule, finding.severity, finding.place) for finding in findings]


def test_nothing_to_say_about_a_good_provider() -> None:
    member = f"principal://iam.googleapis.com/{POOL}/subject/x"
    binding = {"role": "roles/iam.workloadIdentityUser", "members": [member]}
    beside = {"serviceAccount": EMAIL, "iamPolicy": {"bindings": [binding]}}
    assert rules(trust()) == rules(trust(beside)) == []


@pytest.mark.parametrize(
    ("members", "rule", "severity", "place"),
    [
        ({"attributeCondition": ""}, "google-no-condition", "warning", "attributeCondition"),
        (
            {"attributeCondition": "assertion.iss == 'https://issuer.example.org'"},
            "google-condition-takes-all",
            "warning",
            "attributeCondition",
        ),
        (
            {"attributeCondition": "google.subject != ''"},
            "google-condition-takes-all",
            "warning",
            "attributeCondition",
        ),
        (
            {"oidc": {"issuerUri": OIDC["issuerUri"]}},
            "google-no-audiences",
            "note",
            "oidc.allowedAudiences",
        ),
        (
            {"oidc": {**OIDC, "allowedAudiences": ["own", "sts.amazonaws.com"]}},
            "google-shared-audience",
            "warning",
            "oidc.allowedAudiences",
        ),
        (
            {"oidc": {**OIDC, "jwksJson": '{"keys": []}'}},
            "google-uploaded-keys",
            "note",
            "oidc.jwksJson",
        ),
        ({"disabled": True}, "google-provider-disabled", "warning", "disabled"),
        (
            {"name": PROVIDER["name"].replace("/1/", "/my-project/")},
            "google-project-number",
            "warning",
            "name",
        ),
    ],
)
def test_findings(members: dict[str, Any], rule: str, severity: str, place: str) -> None:
    assert rules(trust(**members)) == [(rule, Severity(severity), f"p.json: {place}")]


def test_a_mapping_that_needs_more_claims_says_nothing_of_the_condition() -> None:
    mapping = {"google.subject": "assertion.sub", "attribute.team": "assertion.team"}
    assert rules(trust(attributeMapping=mapping, attributeCondition="true")) == []


def test_an_issuer_that_only_uploaded_keys_allow() -> None:
    oidc = {**OIDC, "issuerUri": "spire.internal", "jwksJson": '{"keys": []}'}
    found = [rule for rule, *_ in rules(trust(oidc=oidc))]
    assert found == ["google-issuer-scheme", "google-uploaded-keys"]


def test_bindings_and_lifetimes() -> None:
    everyone = {
        "role": "roles/iam.workloadIdentityUser",
        "members": [f"principalSet://iam.googleapis.com/{POOL}/*"],
    }
    conditional = {**everyone, "members": [], "condition": {"expression": "true"}}
    url = "https://iamcredentials.googleapis.com/v1/projects/-/serviceAccounts/"
    beside = {
        "iamPolicy": {"bindings": [everyone, conditional, {**everyone, "role": "roles/viewer"}]},
        "credentialConfiguration": {
            "audience": f"//iam.googleapis.com/{PROVIDER['name']}",
            "service_account_impersonation_url": f"{url}{EMAIL}:generateAccessToken",
            "service_account_impersonation": {"token_lifetime_seconds": 7_200},
        },
    }
    assert [rule for rule, *_ in rules(trust(beside))] == [
        "google-token-lifetime",
        "google-pool-wide-binding",
        "google-conditional-binding",
    ]


def test_subjects_are_measured_after_the_mapping() -> None:
    fits, long = "spiffe://example.org/" + "x" * 106, "spiffe://example.org/" + "é" * 54
    assert [f.place for f in lint_subjects(trust(), [fits, long])] == [f"p.json: {long}"]
    shorter = {"google.subject": "assertion.sub.extract('spiffe://example.org/{path}')"}
    assert list(lint_subjects(trust(attributeMapping=shorter), [fits, long])) == []
    by_claim = trust(attributeMapping={"google.subject": "assertion.email"})
    assert list(lint_subjects(by_claim, [long])) == []
