"""AuthenticationConfigurations: read within limits, refused in Kubernetes' words, looked over."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from verifiers.drawn_configurations import broken_configurations

from spire_bridge.cloud.kubernetes.oidc import lint, parse_trust
from spire_bridge.cloud.lint_finding import Severity
from spire_bridge.cloud.trust_errors import InvalidTrust

YAML = """\
apiVersion: apiserver.config.k8s.io/v1beta1
kind: AuthenticationConfiguration
jwt:
- issuer:
    url: https://issuer.test
    audiences: [https://east.example.org]
  claimMappings:
    username: {claim: sub, prefix: "spire:"}
    groups: {claim: groups, prefix: "spire:"}
  claimValidationRules:
  - expression: claims.sub.startsWith('spiffe://example.org/east/')
    message: another cluster
"""


def parse(text: str) -> Any:
    return parse_trust(text.encode(), name="authn.yaml")


def message(text: str) -> str:
    with pytest.raises(InvalidTrust) as refused:
        parse(text)
    return refused.value.message.removeprefix("authn.yaml: ")


def test_yaml_is_read_and_has_no_findings() -> None:
    trust = parse(YAML)
    (entry,) = trust.authenticators
    assert (entry.url, entry.audiences) == ("https://issuer.test", ("https://east.example.org",))
    assert (entry.username.claim, entry.groups.prefix) == ("sub", "spire:")
    assert [rule.message for rule in entry.claim_rules] == ["another cluster"]
    assert list(lint(trust)) == []


def test_no_issuer_at_all_is_a_configuration() -> None:
    none = YAML.partition("jwt:")[0]
    assert parse(none).authenticators == ()


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("v1beta1", "v2", "apiVersion: it is not apiserver.config.k8s.io/v1 or v1beta1"),
        ("kind: Auth", "kind: X", 'kind: it is no AuthenticationConfiguration: "Xentication'),
        ("claim: groups", "claim: n", "jwt[0].claimMappings.groups.claim: it is no string"),
        ("claim: groups", "claim: 5", "jwt[0].claimMappings.groups.claim: it is no string"),
        ("[https://east.example.org]", "x", "jwt[0].issuer.audiences: it is no list of strings"),
        ("- issuer:", "  issuer:", "jwt: it is no list"),
        ("    url:", "    audiences: [x]\n    url:", "line 7: key 'audiences' is given twice"),
        ("jwt:", "jwt: [", "line "),
        (YAML, "- 1", "it is no YAML object"),
        (YAML, "a: \x00", "it is no YAML"),
    ],
)
def test_what_is_wrong_is_said_with_its_place(old: str, new: str, expected: str) -> None:
    assert message(YAML.replace(old, new)).startswith(expected)


def test_a_date_is_text() -> None:
    rule = "- claim: day\n    requiredValue: 2024-01-01\n  - expression: claims.sub"
    (entry,) = parse(YAML.replace("- expression: claims.sub", rule)).authenticators
    assert entry.required_claims == {"day": "2024-01-01"}


@pytest.mark.parametrize(
    "hostile",
    [
        "[" * 1000,
        "a: &a [x]\nb: [" + "*a, " * 101 + "]",
        "a: &a [*a]",
        "- x\n" * 100_001,
        "#" * (1024 * 1024 + 1),
        "a: !!python/object/apply:os.system [x]",
    ],
)
def test_hostile_yaml_is_refused(hostile: str) -> None:
    assert message(hostile)


@pytest.mark.parametrize("broken", broken_configurations())
def test_what_an_api_server_refuses_is_refused(broken: dict[str, Any]) -> None:
    assert message(json.dumps(broken))


@given(st.binary() | st.text().map(str.encode))
def test_any_bytes_are_a_configuration_or_refused(data: bytes) -> None:
    with pytest.raises(InvalidTrust, match=r"^authn\.yaml: "):
        parse_trust(data, name="authn.yaml")


def findings(old: str, new: str) -> list[tuple[str, Severity, str]]:
    found = lint(parse(YAML.replace(old, new)))
    return [(finding.rule, finding.severity, finding.place) for finding in found]


RULES = YAML[YAML.index("  claimValidationRules") :]
GUARD = "  userValidationRules: [{expression: \"!user.groups.exists(g, g.startsWith('system:'))\"}]"
UNPREFIXED = 'groups: {claim: groups, prefix: ""}'


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        (RULES, "", ("subject", Severity.WARNING, "jwt[0].claimValidationRules")),
        (
            'groups: {claim: groups, prefix: "spire:"}',
            UNPREFIXED,
            ("system names", Severity.ERROR, "jwt[0].claimMappings.groups"),
        ),
        (
            'groups: {claim: groups, prefix: "spire:"}',
            'groups: {claim: groups, prefix: "sys"}',
            ("system names", Severity.ERROR, "jwt[0].claimMappings.groups"),
        ),
        (
            'username: {claim: sub, prefix: "spire:"}',
            'username: {claim: sub, prefix: ""}',
            ("system names", Severity.WARNING, "jwt[0].claimMappings.username"),
        ),
        (
            "https://east.example.org",
            "https://kubernetes.default.svc",
            ("audience", Severity.WARNING, "jwt[0].issuer.audiences[0]"),
        ),
        (
            "claim: sub",
            "claim: name",
            ("username", Severity.WARNING, "jwt[0].claimMappings.username.claim"),
        ),
        (
            "    message",
            "    mesage",
            ("unknown field", Severity.ERROR, "jwt[0].claimValidationRules[0].mesage"),
        ),
    ],
)
def test_findings(old: str, new: str, expected: tuple[str, Severity, str]) -> None:
    assert findings(old, new) == [expected]


def test_a_user_rule_keeps_system_names_away() -> None:
    guarded = f"{UNPREFIXED}\n{GUARD}"
    assert findings('groups: {claim: groups, prefix: "spire:"}', guarded) == []
