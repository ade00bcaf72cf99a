"""What is pointed at in a role's trust, and what is not."""

from __future__ import annotations

from typing import Any

import pytest
from web_identities import (
    AUDIENCE,
    HOST,
    PINNED,
    PROVIDER_ARN,
    SUBJECT,
    described,
    policy,
    read,
    statement,
    trust,
)

from spire_bridge.cloud.aws.sts import AwsTrust, lint
from spire_bridge.cloud.lint_finding import LintFinding, Severity

SUB, AUD = f"{HOST}:sub", f"{HOST}:aud"
AUDIENCE_PINNED = {"StringEquals": {AUD: AUDIENCE}}


def found(trusted: AwsTrust) -> list[tuple[str, str]]:
    return [(finding.rule, finding.severity.value) for finding in lint(trusted)]


def of(**condition: dict[str, Any]) -> list[tuple[str, str]]:
    """The findings about a statement with this condition, beside a pinned audience."""
    block = {name.replace("__", ":"): keys for name, keys in condition.items()}
    equals = {**block.get("StringEquals", {}), AUD: AUDIENCE}
    return found(trust(statement(Condition={**block, "StringEquals": equals})))


def test_a_role_that_pins_subject_and_audience_is_fine() -> None:
    assert found(trust(statement(Condition=PINNED))) == []


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        ("spiffe://example.org/ns/payments/sa/api", []),
        ("spiffe://example.org/ns/payments/sa/?", []),
        ("spiffe://example.org/ns/payments/*", [("wildcard", "note")]),
        ("spiffe://example.org/ns/*/sa/web", [("wildcard", "warning")]),
        ("spiffe://example.org/ns/pay*", [("wildcard", "warning")]),
        ("spiffe://example.org/*", [("wildcard", "warning")]),
        ("spiffe://example*/ns/a", [("wildcard", "error")]),
        ("spiffe://*", [("wildcard", "error")]),
        ("*", [("wildcard", "error"), ("sub not pinned", "error")]),
    ],
)
def test_a_star_crosses_slashes(pattern: str, expected: list[tuple[str, str]]) -> None:
    assert of(StringLike={SUB: pattern}) == expected


@pytest.mark.parametrize(
    ("condition", "expected"),
    [
        ({}, [("sub not pinned", "error")]),
        ({"StringNotEquals": {SUB: "x"}}, [("sub not pinned", "error")]),
        ({"StringEqualsIfExists": {SUB: SUBJECT}}, [("sub not pinned", "error")]),
        ({"ForAnyValue__StringLike": {SUB: SUBJECT}}, []),
        (
            {"ForAllValues__StringLike": {SUB: SUBJECT}},
            [("missing key matches", "warning"), ("sub not pinned", "error")],
        ),
        (
            {"ForAllValues__StringLike": {f"{HOST}:amr": "x"}, "Null": {f"{HOST}:amr": "false"}},
            [("sub not pinned", "error")],
        ),
        ({"StringEquals": {SUB: "spiffe://example.org/*"}}, [("literal wildcard", "error")]),
    ],
)
def test_the_subject_must_be_pinned(
    condition: dict[str, Any], expected: list[tuple[str, str]]
) -> None:
    assert of(**condition) == expected


def test_the_audience_should_be_pinned() -> None:
    only_subject = trust(statement(Condition={"StringEquals": {SUB: SUBJECT}}))
    assert found(only_subject) == [("aud not pinned", "warning")]


@pytest.mark.parametrize("principal", ["*", {"Federated": "*"}])
def test_everybody_is_no_principal(principal: Any) -> None:
    document = policy(statement(Principal=principal, Condition=PINNED))
    assert found(read(described(document))) == [("principal", "error")]
    assert found(read(described(policy(statement(Effect="Deny", Principal=principal))))) == []


def test_not_principal_is_pointed_at() -> None:
    rest = {k: v for k, v in statement(Condition=PINNED).items() if k != "Principal"}
    document = policy({**rest, "NotPrincipal": {"AWS": "1"}})
    assert found(read(described(document))) == [("principal", "warning")]


@pytest.mark.parametrize(
    ("key", "expected"),
    [
        (f"{HOST}:groups", "error"),
        (f"https://{HOST}:email", "error"),
        (f"{HOST}/:email", "error"),
        (f"{HOST}:email", None),
        ("aws:PrincipalTag/x", None),
    ],
)
def test_keys_that_aws_makes_of_no_token(key: str, expected: str | None) -> None:
    findings = of(StringEquals={SUB: SUBJECT, key: "x"})
    assert findings == ([("unknown key", expected)] if expected else [])


def test_what_is_not_understood_is_pointed_at() -> None:
    expected = [("unknown condition", "warning")]
    assert of(StringEquals={SUB: SUBJECT}, StringMatches={SUB: "x"}) == expected
    assert of(StringEquals={SUB: SUBJECT}, IpAddress={"aws:SourceIp": "10.0.0.0/8"}) == expected


def test_statements_that_disagree() -> None:
    denied = statement(Effect="Deny", Condition={"StringLike": {SUB: "spiffe://example.org/*"}})
    assert found(trust(statement(Condition=PINNED), denied)) == [("disagreement", "warning")]
    looser = statement(Condition={"StringEquals": {SUB: SUBJECT}})
    assert found(trust(statement(Condition=PINNED), looser)) == [
        ("aud not pinned", "warning"),
        ("disagreement", "warning"),
    ]
    other = statement(Effect="Deny", Condition={"StringEquals": {SUB: "spiffe://example.org/x"}})
    assert found(trust(statement(Condition=PINNED), other)) == []


@pytest.mark.parametrize(("seconds", "expected"), [(43_200, []), (43_201, 1), (3_599, 1)])
def test_sessions_last_one_to_twelve_hours(seconds: int, expected: Any) -> None:
    role = {"AssumeRolePolicyDocument": policy(), "MaxSessionDuration": seconds}
    assert found(read(role)) == [("session duration", "error")] * (expected or 0)


def test_limits_of_iam() -> None:
    def of_size(count: int) -> AwsTrust:
        subjects = [f"{SUBJECT}-{i:04}" for i in range(count)]
        condition = {"StringEquals": {SUB: subjects, AUD: AUDIENCE}}
        return trust(statement(Condition=condition))

    assert found(of_size(30)) == []
    assert found(of_size(60)) == [("policy size", "warning")]
    assert found(of_size(120)) == [("policy size", "error")]
    crowded = {"Url": "x" * 250, "ClientIDList": [str(i) for i in range(101)]}
    assert found(read({"a": policy(), "b": crowded}))[:2] == [("provider", "error")] * 2


def test_a_finding_says_where_and_what_to_do() -> None:
    (finding,) = lint(trust(statement(Condition={"StringEquals": {AUD: AUDIENCE}})))
    assert finding == LintFinding(
        "sub not pinned",
        Severity.ERROR,
        "role.json: Statement[0].Condition",
        "any subject of the issuer may assume the role: nothing pins sub",
        "add StringEquals with the SPIFFE IDs that are meant",
    )
    wildcard = next(lint(trust(statement(Condition={"StringLike": {SUB: "*", AUD: AUDIENCE}}))))
    assert wildcard.place == f"role.json: Statement[0].Condition.StringLike.{SUB}"


def test_other_statements_are_no_matter_of_web_identities() -> None:
    ec2 = statement(Principal={"Service": "ec2.amazonaws.com"}, Action="sts:AssumeRole")
    assert found(trust(statement(Condition=PINNED), ec2)) == []
    assert PROVIDER_ARN in trust(ec2, statement()).providers[f"https://{HOST}"].arn
