"""Entra's face: its numbered errors with all that surrounds them, and its tokens."""

from __future__ import annotations

import json
import uuid
from typing import Any
from urllib.parse import urlencode

import pytest
from clouds_under_test import NOW, UNREADABLE, Clouds, token
from hypothesis import given
from hypothesis import strategies as st

from spire_bridge.listen.http import Request
from spire_bridge.service.dev.cloud_accounts import APPLICATION, ENTRA_AUDIENCE, SCOPE, TENANT

PATH = f"/{TENANT}/oauth2/v2.0/token"
CORRELATION_ID = "0e3cf1de-0d4c-4b2c-8ff3-8c09d3c0a1f5"
CALLER = {"client-request-id": CORRELATION_ID}


def assertion(**changes: Any) -> str:
    return token(**{"aud": [ENTRA_AUDIENCE], **changes})


def parameters(**changes: str | None) -> dict[str, str]:
    good = {
        "client_id": APPLICATION,
        "scope": SCOPE,
        "grant_type": "client_credentials",
        "client_assertion_type": "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
        "client_assertion": assertion(),
    }
    return {name: value for name, value in (good | changes).items() if value is not None}


def test_a_good_assertion_gets_a_token(clouds: Clouds) -> None:
    answer = clouds.post(PATH, parameters(), CALLER)
    content = json.loads(answer.body)
    assert answer.status == 200
    assert content.pop("access_token").startswith("model.")
    assert content == {"token_type": "Bearer", "expires_in": 3599, "ext_expires_in": 3599}
    assert dict(answer.headers)["client-request-id"] == CORRELATION_ID


def test_a_refusal_is_as_documented_to_the_last_member(clouds: Clouds) -> None:
    answer = clouds.post(PATH, parameters(client_assertion=token()), CALLER)
    content = json.loads(answer.body)
    trace_id = content["trace_id"]
    assert str(uuid.UUID(trace_id)) == trace_id
    assert answer.status == 401
    assert content == {
        "error": "invalid_client",
        "error_description": "AADSTS700212: No matching federated identity record found for"
        " presented assertion audience 'demo'. Please check your federated identity credential"
        " Subject, Audience and Issuer against the presented assertion."
        " https://docs.microsoft.com/en-us/azure/active-directory/develop/"
        f"workload-identity-federation Trace ID: {trace_id} Correlation ID: {CORRELATION_ID}"
        " Timestamp: 2026-09-11 10:48:41Z",
        "error_codes": [700212],
        "timestamp": "2026-09-11 10:48:41Z",
        "trace_id": trace_id,
        "correlation_id": CORRELATION_ID,
        "error_uri": "https://login.microsoftonline.com/error?code=700212",
    }


@pytest.mark.parametrize(
    ("changes", "number"),
    [
        ({"client_assertion": assertion(iss="https://evil.example")}, 700211),
        ({"client_assertion": assertion(sub="spiffe://example.org/db")}, 700213),
        ({"client_assertion": assertion(exp=NOW - 301)}, 700024),
        ({"client_assertion": assertion(key_id="unknown")}, 7000272),
        ({"client_assertion": "no token"}, 50027),
        ({"client_id": "33333333-3333-3333-3333-333333333333"}, 700016),
        ({"client_id": None}, 900144),
        ({"scope": None}, 900144),
        ({"grant_type": None}, 900144),
        ({"grant_type": "password"}, 70003),
        ({"client_assertion": None}, 7000216),
        ({"client_assertion_type": None}, 90100),
    ],
)
def test_each_refusal_has_its_number(
    clouds: Clouds, changes: dict[str, str | None], number: int
) -> None:
    answer = clouds.post(PATH, parameters(**changes))
    assert 400 <= answer.status < 500
    assert json.loads(answer.body)["error_codes"] == [number]


def test_another_tenant_is_not_there(clouds: Clouds) -> None:
    answer = clouds.post("/contoso.example/oauth2/v2.0/token", parameters())
    assert json.loads(answer.body)["error_codes"] == [90002]


def test_an_issuer_out_of_reach_is_said(clouds: Clouds) -> None:
    clouds.issuer.problem = "no route to it"
    answer = clouds.post(PATH, parameters())
    assert json.loads(answer.body)["error_codes"] == [501661]


@pytest.mark.parametrize(("content_type", "body"), UNREADABLE)
def test_what_cannot_be_read_is_refused(clouds: Clouds, content_type: str, body: bytes) -> None:
    answer = clouds.post(PATH, body, {"content-type": content_type})
    assert json.loads(answer.body)["error_codes"] == [900144]


def test_a_parameter_that_comes_twice_is_refused(clouds: Clouds) -> None:
    body = urlencode([*parameters().items(), ("scope", SCOPE)]).encode()
    assert json.loads(clouds.post(PATH, body).body)["error_codes"] == [90100]


def test_a_token_in_the_address_is_not_looked_at(clouds: Clouds) -> None:
    answer = clouds.ask(Request("GET", PATH, {}, f"{PATH}?{urlencode(parameters())}"))
    assert json.loads(answer.body)["error_codes"] == [900561]
    assert clouds.verdicts == []


def test_the_tenants_metadata_name_its_endpoints(clouds: Clouds) -> None:
    path = f"/{TENANT}/v2.0/.well-known/openid-configuration"
    answer = clouds.ask(Request("GET", path, {"host": "127.0.0.1:8443"}, path))
    assert json.loads(answer.body)["token_endpoint"] == f"https://127.0.0.1:8443{PATH}"
    path = path.replace(TENANT, "contoso.example")
    answer = clouds.ask(Request("GET", path, {}, path))
    assert json.loads(answer.body)["error_codes"] == [90002]


@given(st.dictionaries(st.text(max_size=20), st.text(max_size=50), max_size=8))
def test_any_form_is_answered_in_json(given_parameters: dict[str, str]) -> None:
    body = urlencode({**parameters(), **given_parameters}, errors="replace").encode()
    answer = Clouds().post(PATH, body)
    assert answer.status < 500
    json.loads(answer.body)
