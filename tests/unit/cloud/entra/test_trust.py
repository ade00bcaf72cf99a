"""Credentials as Graph and az return them, and those that Graph would not have taken."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spire_bridge.cloud.entra.trust import EntraTrust, parse_trust
from spire_bridge.cloud.trust_errors import InvalidTrust

CREDENTIAL: dict[str, Any] = {
    "@odata.context": "https://graph.microsoft.com/v1.0/$metadata#…",
    "name": "web",
    "issuer": "https://issuer.example.org",
    "subject": "spiffe://example.org/web",
    "audiences": ["api://AzureADTokenExchange"],
}


def read(value: Any) -> EntraTrust:
    return parse_trust(json.dumps(value).encode(), name="f.json")


def test_every_form_of_the_list() -> None:
    alone = read(CREDENTIAL)
    assert alone.credentials[0].subject == "spiffe://example.org/web"
    for form in (
        [CREDENTIAL],
        {"value": [CREDENTIAL]},
        {"federatedIdentityCredentials": [CREDENTIAL]},
        {"federatedIdentityCredentials": {"value": [CREDENTIAL]}, "tenant": None},
    ):
        assert read(form) == alone


def test_the_audience_that_goes_without_saying() -> None:
    assert read({**CREDENTIAL, "audiences": None}) == read(CREDENTIAL)


@pytest.mark.parametrize(
    ("value", "problem"),
    [
        ({}, "issuer: is missing"),
        ({**CREDENTIAL, "issuer": 1}, "issuer: is no string"),
        ({**CREDENTIAL, "subject": ""}, "subject: is missing"),
        ({**CREDENTIAL, "subject": "x" * 601}, "subject: has 601 characters; 600 are allowed"),
        ({**CREDENTIAL, "issuer": "x" * 601}, "issuer: has 601 characters; 600 are allowed"),
        ({**CREDENTIAL, "audiences": ["x" * 601]}, "audiences: has 601 characters"),
        ({**CREDENTIAL, "audiences": ["a", "b"]}, "audiences: has 2 audiences; one is allowed"),
        ({**CREDENTIAL, "audiences": "a"}, "audiences: is no list of strings"),
        ({"value": [CREDENTIAL, {}]}, "value[1].issuer: is missing"),
        ([CREDENTIAL, 1], "value: is no list of objects"),
        ([CREDENTIAL, CREDENTIAL], "two have the same issuer and the subject"),
        ({"value": [], "application": {"appId": 1}}, "application.appId: is no string"),
        ({"value": [], "tenant": "x"}, "tenant: is no object"),
        (
            [{**CREDENTIAL, "subject": f"s{number}"} for number in range(21)],
            "has 21 credentials; 20 are allowed",
        ),
        ({**CREDENTIAL, "claimsMatchingExpression": "x"}, "claimsMatchingExpression: is no object"),
    ],
)
def test_what_graph_would_not_have_taken(value: Any, problem: str) -> None:
    with pytest.raises(InvalidTrust) as raised:
        read(value)
    assert raised.value.message.startswith("f.json: ")
    assert problem in raised.value.message


@pytest.mark.parametrize("data", [b"", b"{", b"[", b"1", b'{"a": 1, "a": 2}', b"\xff"])
def test_what_is_no_json(data: bytes) -> None:
    with pytest.raises(InvalidTrust, match=r"^f\.json: "):
        parse_trust(data, name="f.json")


def test_twenty_are_allowed() -> None:
    many = [{**CREDENTIAL, "subject": f"s{number}"} for number in range(20)]
    assert len(read(many).credentials) == 20


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=6,
)


@given(place=st.sampled_from([*CREDENTIAL, "value", "request", "application"]), value=JSON)
def test_any_member_is_read_or_refused_with_its_place(place: str, value: Any) -> None:
    try:
        problem = f"f.json: {read({**CREDENTIAL, place: value}).name}"
    except InvalidTrust as error:
        problem = error.message
    assert problem.startswith("f.json: ")
