"""Descriptions of AWS' trust, in the forms that people have them."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st
from web_identities import (
    AUDIENCE,
    CLAIMS,
    HOST,
    ISSUER,
    PROVIDER_ARN,
    ROLE_ARN,
    asked,
    described,
    policy,
    read,
    statement,
    token,
)

from spire_bridge.cloud.aws.sts import Request, parse_trust
from spire_bridge.cloud.trust_errors import InvalidTrust

URL_ENCODED = quote(json.dumps(policy()))
PROVIDER = {"Url": HOST, "ClientIDList": [AUDIENCE], "CreateDate": "2026-01-01", "Tags": []}


@pytest.mark.parametrize(
    "description",
    [
        policy(),
        {"AssumeRolePolicyDocument": policy()},
        {"Role": {"Arn": ROLE_ARN, "AssumeRolePolicyDocument": policy()}},
        {"Role": {"Arn": ROLE_ARN, "AssumeRolePolicyDocument": json.dumps(policy())}},
        {"Role": {"Arn": ROLE_ARN, "AssumeRolePolicyDocument": URL_ENCODED}},
        {"arn": ROLE_ARN, "assume_role_policy": json.dumps(policy()), "unknown": {"x": [1]}},
        {"trust": policy(), "oidc": PROVIDER},
        {"trust": policy(), "oidc": {**PROVIDER, "Url": ISSUER}},
        {"role": {"assume_role_policy": URL_ENCODED}, "providers": [PROVIDER]},
        {"iam": [{"Role": {"Arn": ROLE_ARN, "AssumeRolePolicyDocument": policy()}}, PROVIDER]},
        {"role": policy(), "provider": {"url": ISSUER, "client_id_list": [AUDIENCE]}},
        described(),
    ],
)
def test_every_form_accepts_the_token_and_refuses_its_neighbour(description: Any) -> None:
    trusted = read(description)
    assert list(trusted.providers) == [ISSUER]
    assert trusted.providers[ISSUER].arn == PROVIDER_ARN
    assert asked(None, trusted).accepted
    neighbour = token({**CLAIMS, "sub": "spiffe://example.org/ns/payments/sa/ap"})
    assert not asked(neighbour, trusted).accepted


def test_what_a_role_says() -> None:
    trusted = read(described())
    assert trusted.role.arn == trusted.role_arn == ROLE_ARN
    assert (trusted.role.max_session_seconds, trusted.role.max_session_known) == (7200, True)
    assert trusted.providers[ISSUER].client_ids == {AUDIENCE, "another"}
    assert trusted.is_provider_described
    bare = read(policy())
    assert (bare.role_arn, bare.account, bare.is_provider_described) == ("", "", False)
    assert (bare.role.max_session_seconds, bare.role.max_session_known) == (3600, False)


def test_the_request_is_part_of_it_or_asked_for() -> None:
    request = {"RoleSessionName": "web", "DurationSeconds": 900, "PolicyArns": [{"arn": "a"}]}
    trusted = read(described(request=request))
    assert trusted.request == Request(session_name="web", duration_seconds=900, policy_arns=("a",))
    assert trusted.asked(Request(role_arn=ROLE_ARN + "2")).role_arn == ROLE_ARN + "2"
    assert trusted.asked(Request(session_name="a/b")).request.faults


def test_an_issuer_with_a_path_and_several_providers() -> None:
    arn = "arn:aws-cn:iam::123456789012:oidc-provider/other.example.org/a"
    document = policy(statement(), statement(Principal={"Federated": arn}))
    trusted = read(document)
    assert list(trusted.providers) == [ISSUER, "https://other.example.org/a"]
    described_too = read({"p": document, "o": {"Url": "other.example.org/a", "ClientIDList": []}})
    assert described_too.providers["https://other.example.org/a"].arn == arn


@pytest.mark.parametrize(
    ("data", "problem"),
    [
        (b"", "role.json: description is not valid JSON"),
        (b"[]", "role.json: description is not a JSON object"),
        (b'{"a":1,"a":2}', "role.json: description: the same name stands twice"),
        (b"{}", "role.json: no trust policy"),
        (b'{"Role": {"AssumeRolePolicyDocument": 5}}', "must be a policy document"),
        (b'{"Role": {"AssumeRolePolicyDocument": "%7B"}}', "policy document is not valid JSON"),
        (json.dumps([policy()] * 2).encode(), "is not a JSON object"),
        (json.dumps({"a": policy(), "b": policy()}).encode(), "2 policies; describe one role"),
        (json.dumps({"a": described(), "b": described()}).encode(), "2 roles; describe one"),
        (json.dumps(described(p={"Url": "", "ClientIDList": []})).encode(), "Url: is empty"),
        (json.dumps(described(p={"Url": 5, "ClientIDList": []})).encode(), "url: must be a text"),
        (json.dumps(described(p={"Url": "x", "ClientIDList": [{}]})).encode(), "ClientIDList: "),
        (
            json.dumps({"AssumeRolePolicyDocument": policy(), "Arn": "arn:aws:s3:::x"}).encode(),
            "role.json: Arn: is no role's",
        ),
        (
            json.dumps({"AssumeRolePolicyDocument": policy(), "MaxSessionDuration": "1h"}).encode(),
            "maxsessionduration: must be a whole number",
        ),
    ],
)
def test_what_can_not_be_read_is_placed(data: bytes, problem: str) -> None:
    with pytest.raises(InvalidTrust) as caught:
        parse_trust(data, name="role.json")
    assert caught.value.message.startswith("role.json: ")
    assert problem in caught.value.message


@given(st.binary())
def test_any_bytes_are_read_or_refused(data: bytes) -> None:
    with pytest.raises(InvalidTrust, match=r"^role\.json: "):
        parse_trust(data, name="role.json")


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=6,
)
NAMES = st.sampled_from(
    ["Role", "Arn", "Url", "ClientIDList", "AssumeRolePolicyDocument", "Statement", "RoleArn"]
)


@given(st.dictionaries(NAMES, JSON))
def test_any_description_is_read_or_refused(description: dict[str, Any]) -> None:
    for data in (description, described(more=description), {**described(), **description}):
        try:
            trusted = read(data)
        except InvalidTrust as error:
            problem = error.message
        else:
            assert asked(None, trusted) == asked(None, trusted)
            continue
        assert problem.startswith("role.json: ")
