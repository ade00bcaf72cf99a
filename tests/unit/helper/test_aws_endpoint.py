"""The container credentials endpoint: whom it answers."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spire_bridge.credentials.aws.temporary import TemporaryCredentials
from spire_bridge.helper.aws_endpoint import AwsEndpoint
from spire_bridge.helper.loopback_guard import new_secret
from spire_bridge.listen.http import Request

NOW = 1_800_000_000
LATEST = TemporaryCredentials("ASIA1", "a secret", "a token", NOW + 60)
TOKEN = new_secret()
ENDPOINT = AwsEndpoint(lambda: LATEST, TOKEN, clock=lambda: NOW)
HEADERS = {"host": "127.0.0.1:8080", "authorization": TOKEN}
GOOD = Request("GET", "/aws/credentials", HEADERS, peer="127.0.0.1")


def asking(**headers: str) -> Request:
    return replace(GOOD, headers=HEADERS | {n.replace("_", "-"): v for n, v in headers.items()})


@pytest.mark.parametrize(
    "request_",
    [
        GOOD,
        replace(GOOD, peer=""),
        replace(GOOD, peer="::1"),
        asking(host="localhost"),
        asking(host="localhost:80"),
        asking(host="[::1]:80"),
        asking(host="127.0.0.2"),
    ],
)
def test_who_has_the_token_gets_the_latest(request_: Request) -> None:
    answer = ENDPOINT(request_)
    assert answer.status == 200
    assert dict(answer.headers)["cache-control"] == "no-store"
    assert json.loads(answer.body) == {
        "AccessKeyId": "ASIA1",
        "SecretAccessKey": "a secret",
        "Token": "a token",
        "Expiration": "2027-01-15T08:01:00Z",
    }


@pytest.mark.parametrize(
    ("request_", "status", "code"),
    [
        (asking(host="evil.test"), 403, "Forbidden"),
        (asking(host="127.0.0.1.evil.test"), 403, "Forbidden"),
        (asking(host="localhost.evil.test"), 403, "Forbidden"),
        (asking(host="169.254.169.254"), 403, "Forbidden"),
        (asking(host="0.0.0.0"), 403, "Forbidden"),
        (asking(host=""), 403, "Forbidden"),
        (asking(host="["), 403, "Forbidden"),
        (asking(x_forwarded_for="127.0.0.1"), 403, "Forbidden"),
        (asking(forwarded="for=127.0.0.1"), 403, "Forbidden"),
        (asking(via="1.1 proxy"), 403, "Forbidden"),
        (asking(origin="http://127.0.0.1"), 403, "Forbidden"),
        (replace(GOOD, headers={"authorization": TOKEN}), 403, "Forbidden"),
        (replace(GOOD, peer="10.0.0.1"), 403, "Forbidden"),
        (replace(GOOD, repeated=frozenset({"host"})), 403, "Forbidden"),
        (replace(GOOD, path="/"), 404, "NotFound"),
        (replace(GOOD, path="/aws/credentials/"), 404, "NotFound"),
        (replace(GOOD, method="POST"), 405, "MethodNotAllowed"),
        (replace(GOOD, method="HEAD"), 405, "MethodNotAllowed"),
        (asking(authorization=""), 401, "Unauthorized"),
        (asking(authorization=TOKEN[:-1]), 401, "Unauthorized"),
        (asking(authorization=f"{TOKEN} "), 401, "Unauthorized"),
        (asking(authorization="\xff"), 401, "Unauthorized"),
        (replace(GOOD, headers={"host": "localhost"}), 401, "Unauthorized"),
        (replace(GOOD, repeated=frozenset({"authorization"})), 401, "Unauthorized"),
    ],
)
def test_everyone_else_is_refused(request_: Request, status: int, code: str) -> None:
    answer = ENDPOINT(request_)
    assert answer.status == status
    assert json.loads(answer.body)["code"] == code
    assert b"secret" not in answer.body


@pytest.mark.parametrize("latest", [None, replace(LATEST, expires_at=NOW)])
def test_without_good_credentials_it_says_so(latest: TemporaryCredentials | None) -> None:
    answer = AwsEndpoint(lambda: latest, TOKEN, clock=lambda: NOW)(GOOD)
    assert (answer.status, json.loads(answer.body)["code"]) == (503, "NotReady")


def test_an_empty_token_opens_nothing() -> None:
    endpoint = AwsEndpoint(lambda: LATEST, "", clock=lambda: NOW)
    assert endpoint(asking(authorization="")).status == 401


def test_what_it_holds_is_not_shown() -> None:
    assert TOKEN not in repr(ENDPOINT)
    assert "secret" not in repr(ENDPOINT)
    assert len({new_secret() for _ in range(10)}) == 10


@given(st.dictionaries(st.sampled_from(["host", "authorization", "x-forwarded-for"]), st.text()))
def test_no_headers_by_chance_open_it(headers: dict[str, Any]) -> None:
    assert ENDPOINT(replace(GOOD, headers=headers)).status in {401, 403}
