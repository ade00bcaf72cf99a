"""Credentials that are weaker than meant, and subjects that none can name."""

from __future__ import annotations

import json
from typing import Any

import pytest

from spire_bridge.cloud.entra.sts import lint, lint_subjects, parse_trust
from spire_bridge.cloud.entra.trust import EntraTrust
from spire_bridge.cloud.lint_finding import Severity

CREDENTIAL: dict[str, Any] = {
    "name": "web",
    "issuer": "https://issuer.example.org",
    "subject": "spiffe://example.org/web",
    "audiences": ["api://AzureADTokenExchange"],
}


def trust(*credentials: dict[str, Any]) -> EntraTrust:
    return parse_trust(json.dumps(credentials).encode(), name="f.json")


def test_nothing_to_say_about_a_good_credential() -> None:
    assert list(lint(trust(CREDENTIAL))) == []


@pytest.mark.parametrize(
    ("members", "rule", "severity"),
    [
        ({"issuer": "http://a"}, "entra-issuer-scheme", "error"),
        ({"audiences": ["sts.amazonaws.com"]}, "entra-shared-audience", "warning"),
        ({"audiences": ["own"]}, "entra-own-audience", "note"),
        ({"claimsMatchingExpression": {"value": "x"}}, "entra-flexible-credential", "error"),
    ],
)
def test_findings_of_a_credential(members: dict[str, Any], rule: str, severity: str) -> None:
    (finding,) = lint(trust({**CREDENTIAL, **members}))
    assert (finding.rule, finding.severity) == (rule, Severity(severity))
    assert finding.place == "f.json: web"
    assert finding.fix


def test_findings_of_the_whole() -> None:
    assert [f.rule for f in lint(trust())] == ["entra-no-credentials"]
    many = [{**CREDENTIAL, "subject": f"s{number}"} for number in range(20)]
    assert [f.rule for f in lint(trust(*many))] == ["entra-credentials-full"]
    assert list(lint(trust(*many[1:]))) == []
    upper = {**CREDENTIAL, "subject": "spiffe://example.org/WEB"}
    assert [f.rule for f in lint(trust(CREDENTIAL, upper))] == ["entra-subject-case"]


def test_subjects() -> None:
    fits, long = "x" * 600, "x" * 601
    (finding,) = lint_subjects(trust(CREDENTIAL), [fits, long])
    assert (finding.rule, finding.severity) == ("entra-subject-size", Severity.ERROR)
    assert list(lint_subjects(trust(CREDENTIAL), map(str, range(20)))) == []
    (finding,) = lint_subjects(trust(CREDENTIAL), map(str, range(41)))
    assert finding.rule == "entra-subject-count"
    assert "3 applications" in finding.fix
