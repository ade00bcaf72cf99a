"""Google's two faces: the exchange of a token, and the service account behind it."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import urlencode

import pytest
from clouds_under_test import NOW, SUBJECT, UNREADABLE, Clouds, token
from hypothesis import given
from hypothesis import strategies as st

from spire_bridge.listen.http import Request, Response
from spire_bridge.models.google import MAX_KEPT_TOKENS
from spire_bridge.service.dev.cloud_accounts import EMAIL, PROVIDER

ACCESS_TOKEN = "urn:ietf:params:oauth:token-type:access_token"
GENERATE = f"/v1/projects/-/serviceAccounts/{EMAIL}:generateAccessToken"


def parameters(**changes: str | None) -> dict[str, str]:
    good = {
        "grant_type": "urn:ietf:params:oauth:grant-type:token-exchange",
        "audience": PROVIDER,
        "scope": "https://www.googleapis.com/auth/cloud-platform",
        "requested_token_type": ACCESS_TOKEN,
        "subject_token_type": "urn:ietf:params:oauth:token-type:jwt",
        "subject_token": token(),
    }
    return {name: value for name, value in (good | changes).items() if value is not None}


def exchange(clouds: Clouds, **changes: str | None) -> tuple[int, Any]:
    answer = clouds.post("/v1/token", parameters(**changes))
    return answer.status, json.loads(answer.body)


def impersonate(
    clouds: Clouds, bearer: str, body: bytes = b'{"lifetime":"600s"}', path: str = GENERATE
) -> tuple[int, Any]:
    headers = {"authorization": f"Bearer {bearer}", "content-type": "application/json"}
    answer = clouds.ask(Request("POST", path, headers, path, body=body))
    return answer.status, json.loads(answer.body)


def test_a_good_token_is_exchanged(clouds: Clouds) -> None:
    status, answer = exchange(clouds)
    assert status == 200
    assert answer.pop("access_token").startswith("ya29.model.")
    assert answer == {
        "issued_token_type": ACCESS_TOKEN,
        "token_type": "Bearer",
        "expires_in": 288,
    }
    (verdict,) = clouds.verdicts
    assert verdict.identity["google.subject"] == SUBJECT


def test_a_refusal_is_what_the_rules_say_byte_for_byte(clouds: Clouds) -> None:
    answer = clouds.post("/v1/token", parameters(subject_token=token(aud=["other"])))
    assert answer.status == 400
    assert answer.body == (
        b'{"error": "invalid_grant", "error_description":'
        b' "The audience in ID Token [other] does not match the expected audience."}'
    )


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"subject_token": token(iss="https://evil.example")}, "invalid_grant"),
        ({"subject_token": token(exp=NOW - 61)}, "invalid_grant"),
        ({"subject_token": token("unknown")}, "invalid_grant"),
        ({"subject_token": None}, "invalid_grant"),
        ({"audience": PROVIDER.replace("providers/spire", "providers/other")}, "invalid_target"),
        ({"audience": "//iam.googleapis.com/spire"}, "invalid_request"),
        ({"audience": None}, "invalid_request"),
        ({"grant_type": "client_credentials"}, "invalid_request"),
        ({"requested_token_type": None}, "invalid_request"),
        ({"subject_token_type": "urn:ietf:params:oauth:token-type:saml2"}, "invalid_request"),
    ],
)
def test_each_refusal_has_its_error(
    clouds: Clouds, changes: dict[str, str | None], error: str
) -> None:
    status, answer = exchange(clouds, **changes)
    assert (status, answer["error"]) == (400, error)
    assert set(answer) == {"error", "error_description"}


@pytest.mark.parametrize(("content_type", "body"), UNREADABLE)
def test_what_cannot_be_read_is_refused(clouds: Clouds, content_type: str, body: bytes) -> None:
    answer = clouds.post("/v1/token", body, {"content-type": content_type})
    assert (answer.status, json.loads(answer.body)["error"]) == (400, "invalid_request")


def test_the_exchange_takes_nothing_but_post(clouds: Clouds) -> None:
    target = f"/v1/token?{urlencode(parameters())}"
    assert clouds.ask(Request("GET", "/v1/token", {}, target)).status == 405


def test_the_service_account_of_the_binding_is_impersonated(clouds: Clouds) -> None:
    bearer = exchange(clouds)[1]["access_token"]
    status, answer = impersonate(clouds, bearer)
    assert (status, answer["expireTime"]) == (200, "2026-09-11T10:58:41Z")
    assert answer["accessToken"] != bearer


def test_who_is_not_bound_is_denied_in_googles_words(clouds: Clouds) -> None:
    status, answer = exchange(clouds, subject_token=token(sub="spiffe://example.org/db"))
    assert status == 200
    assert impersonate(clouds, answer["access_token"]) == (
        403,
        {
            "error": {
                "code": 403,
                "message": "Permission 'iam.serviceAccounts.getAccessToken' denied on resource"
                " (or it may not exist).",
                "status": "PERMISSION_DENIED",
            }
        },
    )
    assert clouds.verdicts[-1].refusal is not None


def test_another_account_may_not_exist(clouds: Clouds) -> None:
    bearer = exchange(clouds)[1]["access_token"]
    path = GENERATE.replace("web@", "db@")
    assert impersonate(clouds, bearer, path=path)[0] == 403


def test_only_tokens_of_the_exchange_are_taken_and_not_for_ever(clouds: Clouds) -> None:
    bearer = exchange(clouds)[1]["access_token"]
    assert impersonate(clouds, "ya29.model.guessed")[0] == 401
    assert impersonate(clouds, token())[0] == 401
    clouds.now += 289
    assert impersonate(clouds, bearer)[0] == 401


def test_tokens_without_number_are_not_remembered(clouds: Clouds) -> None:
    first = exchange(clouds)[1]["access_token"]
    for _ in range(MAX_KEPT_TOKENS):
        last = exchange(clouds)[1]["access_token"]
    assert impersonate(clouds, first)[0] == 401
    assert impersonate(clouds, last)[0] == 200


@pytest.mark.parametrize(
    "body",
    [
        b'{"lifetime":"3601s"}',
        b'{"lifetime":"0s"}',
        b'{"lifetime":600}',
        b'{"lifetime":"' + b"9" * 5_000 + b's"}',
        b"[]",
        b"\xff",
        b"[" * 50_000,
    ],
)
def test_a_lifetime_that_is_none_is_refused(clouds: Clouds, body: bytes) -> None:
    bearer = exchange(clouds)[1]["access_token"]
    status, answer = impersonate(clouds, bearer, body)
    assert (status, answer["error"]["status"]) == (400, "INVALID_ARGUMENT")


@given(st.dictionaries(st.text(max_size=20), st.text(max_size=50), max_size=8))
def test_any_form_is_answered_in_json(given_parameters: dict[str, str]) -> None:
    body = urlencode({**parameters(), **given_parameters}, errors="replace").encode()
    answer: Response = Clouds().post("/v1/token", body)
    assert answer.status < 500
    json.loads(answer.body)
