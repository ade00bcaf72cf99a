"""Trust policies: who is allowed, what wins, and what is said about a refusal."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from web_identities import ACCOUNT, AUDIENCE, CLAIMS, HOST, PROVIDER_ARN, SUBJECT, policy, statement

from spire_bridge.cloud.aws.policy import (
    ASSUME_ROLE_WITH_WEB_IDENTITY,
    TAG_SESSION,
    Caller,
    Decision,
    Policy,
)
from spire_bridge.cloud.trust_errors import InvalidTrust

US = Caller("Federated", PROVIDER_ARN)
CONTEXT = {f"{HOST}:sub": (SUBJECT,), f"{HOST}:aud": (AUDIENCE,)}
IS_US = {"StringEquals": {f"{HOST}:sub": SUBJECT}}
IS_OTHER = {"StringEquals": {f"{HOST}:sub": "spiffe://example.org/other"}}


def decide(
    *statements: dict[str, Any], action: str = ASSUME_ROLE_WITH_WEB_IDENTITY, caller: Caller = US
) -> Decision:
    compiled = Policy.compile(policy(*statements), "role.json")
    return compiled.decide(action, caller, CONTEXT)


@pytest.mark.parametrize(
    ("principal", "allowed"),
    [
        ({"Federated": PROVIDER_ARN}, True),
        ({"Federated": ["arn:aws:iam::1:oidc-provider/x", PROVIDER_ARN]}, True),
        ({"Federated": f"{PROVIDER_ARN}/"}, False),
        ({"Federated": PROVIDER_ARN.upper()}, False),
        ({"Federated": "*"}, True),
        ("*", True),
        ({"AWS": "*"}, False),
        ({"AWS": ACCOUNT}, False),
        ({"Service": "ec2.amazonaws.com"}, False),
    ],
)
def test_principals(principal: Any, allowed: bool) -> None:
    assert decide(statement(Principal=principal)).allowed is allowed


@pytest.mark.parametrize(
    ("action", "allowed"),
    [
        ("sts:AssumeRoleWithWebIdentity", True),
        (["sts:TagSession", "STS:assumerolewithwebidentity"], True),
        ("sts:AssumeRole*", True),
        ("sts:*", True),
        ("*", True),
        ("sts:AssumeRole", False),
        ("sts:AssumeRoleWithSAML", False),
        ([], False),
    ],
)
def test_actions(action: Any, allowed: bool) -> None:
    assert decide(statement(Action=action)).allowed is allowed


def test_actions_can_be_left_out() -> None:
    rest = {k: v for k, v in statement().items() if k != "Action"}
    assert decide({**rest, "NotAction": "sts:TagSession"}).allowed
    assert not decide({**rest, "NotAction": "sts:AssumeRoleWith*"}).allowed
    assert not decide({**rest, "NotAction": "sts:TagSession"}, action=TAG_SESSION).allowed


@pytest.mark.parametrize(
    ("statements", "allowed"),
    [
        ([statement(Condition=IS_US)], True),
        ([statement(Condition=IS_OTHER)], False),
        ([statement(Condition=IS_OTHER), statement(Condition=IS_US)], True),
        ([statement(), statement(Effect="Deny")], False),
        ([statement(Effect="Deny"), statement()], False),
        ([statement(), statement(Effect="Deny", Condition=IS_OTHER)], True),
        ([statement(Effect="Deny", Condition=IS_OTHER)], False),
    ],
)
def test_a_denial_wins_and_nothing_is_allowed_by_itself(
    statements: list[dict[str, Any]], allowed: bool
) -> None:
    assert decide(*statements).allowed is allowed


def test_all_conditions_of_a_statement_must_hold() -> None:
    both = {"StringEquals": {f"{HOST}:sub": SUBJECT, f"{HOST}:aud": AUDIENCE}}
    wrong = {"StringEquals": {f"{HOST}:sub": SUBJECT, f"{HOST}:aud": "other"}}
    assert decide(statement(Condition=both)).allowed
    assert not decide(statement(Condition=wrong)).allowed


def test_a_refusal_tells_of_the_statement_that_was_nearest() -> None:
    nearer = {"StringEquals": {f"{HOST}:sub": SUBJECT, f"{HOST}:aud": "other"}}
    decision = decide(statement(Condition=IS_OTHER), statement(Condition=nearer))
    assert decision.found == f"{HOST}:aud is {AUDIENCE}"
    assert decision.wanted == "StringEquals other (Statement[1])"
    assert not decision.assumed
    assert decide(statement(Action="sts:AssumeRole")).found == "no statement allows it"
    assert decide(statement(Effect="Deny"), statement()).found == "Statement[0] denies it"


def test_what_rests_on_an_assumption_says_so() -> None:
    absent = {"StringNotEquals": {f"{HOST}:email": "x"}}
    assert decide(statement(Condition=absent)) == Decision(
        True, "allowed by Statement[0]", ASSUME_ROLE_WITH_WEB_IDENTITY, assumed=True
    )
    assert decide(statement(Principal="*")).assumed
    unknown = decide(statement(Condition={"StringMatches": {f"{HOST}:sub": "x"}}))
    assert (unknown.allowed, unknown.assumed) == (False, True)
    assert "StringMatches is unknown" in unknown.found
    assert not decide(statement(Condition=IS_US)).assumed
    denial = statement(Effect="Deny", Condition={"IpAddress": {"aws:SourceIp": "10.0.0.0/8"}})
    spared = decide(statement(Condition=IS_US), denial)
    assert (spared.allowed, spared.assumed) == (True, True)


def test_not_principal_is_said_not_to_be_understood() -> None:
    rest = {k: v for k, v in statement().items() if k != "Principal"}
    compiled = Policy.compile(policy({**rest, "NotPrincipal": {"AWS": "*"}}), "role.json")
    assert compiled.statements[0].problem == "NotPrincipal is not understood here"
    assert not compiled.decide(ASSUME_ROLE_WITH_WEB_IDENTITY, US, CONTEXT).allowed


def test_variables_come_with_the_newer_version() -> None:
    variable = {"StringEquals": {f"{HOST}:sub": f"${{{HOST}:sub}}"}}
    newer = Policy.compile(policy(statement(Condition=variable)), "role.json")
    older = policy(statement(Condition=variable), version="2008-10-17")
    assert newer.decide(ASSUME_ROLE_WITH_WEB_IDENTITY, US, CONTEXT).allowed
    assert not (
        Policy.compile(older, "r").decide(ASSUME_ROLE_WITH_WEB_IDENTITY, US, CONTEXT).allowed
    )


def test_one_statement_needs_no_list_and_values_need_no_quotes() -> None:
    single = {"Statement": statement(Condition={"Bool": {"sts:RoleAuthorizedByIdp": False}})}
    compiled = Policy.compile(single, "role.json")
    context = {"sts:roleauthorizedbyidp": ("false",)}
    assert compiled.decide(ASSUME_ROLE_WITH_WEB_IDENTITY, US, context).allowed


@pytest.mark.parametrize(
    ("document", "place"),
    [
        ({"Statement": []}, "r: Statement: "),
        ({}, "r: Statement: "),
        ({"Version": "2030-01-01", "Statement": [statement()]}, "r: Version: "),
        ({"Statement": ["x"]}, r"r: Statement\[0\]: must be an object"),
        ({"Statement": [statement(Effect="allow")]}, r"r: Statement\[0\].Effect: "),
        ({"Statement": [statement(Principal=None)]}, r"r: Statement\[0\].Principal: "),
        ({"Statement": [statement(Principal={"AWS": 5.0j})]}, r"Principal.AWS: "),
        ({"Statement": [statement(Action=None)]}, r"r: Statement\[0\].Action: "),
        ({"Statement": [statement(Condition=[])]}, r"r: Statement\[0\].Condition: "),
        ({"Statement": [statement(Condition={"Bool": 1})]}, r"Condition.Bool: must be an object"),
        (
            {"Statement": [statement(Condition={"Bool": {"a": {}}})]},
            r"r: Statement\[0\].Condition.Bool.a: must be a text or a list of texts",
        ),
    ],
)
def test_what_iam_would_not_store_is_refused(document: dict[str, Any], place: str) -> None:
    with pytest.raises(InvalidTrust, match=place):
        Policy.compile(document, "r")


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text() | st.sampled_from([*CLAIMS, "*"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=6,
)
MEMBERS = st.sampled_from(["Effect", "Principal", "Action", "NotAction", "Condition", "Sid", "x"])


@given(st.dictionaries(MEMBERS, JSON))
def test_any_statement_is_compiled_or_refused(members: dict[str, Any]) -> None:
    try:
        compiled = Policy.compile(policy({**statement(), **members}), "role.json")
    except InvalidTrust as error:
        refused = error.message
    else:
        decision = compiled.decide(ASSUME_ROLE_WITH_WEB_IDENTITY, US, CONTEXT)
        assert json.dumps([decision.allowed, decision.found, decision.wanted])
        return
    assert refused.startswith("role.json: Statement[0]")
