"""A token over loopback, and who does not get it."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from spire_bridge.helper.token_endpoint import TokenEndpoint
from spire_bridge.listen.http import Request

SECRET = "a secret of this machine"
TOKEN = "a.token.of-the-workload"
ENDPOINT = TokenEndpoint(lambda: TOKEN, SECRET)
GOOD = Request(
    "GET",
    "/token",
    {"host": "127.0.0.1:8787", "authorization": SECRET},
    "/token",
    peer="127.0.0.1",
)


def test_the_token_as_it_is() -> None:
    response = ENDPOINT(GOOD)
    assert response.status == 200
    assert response.body == TOKEN.encode()
    assert ("cache-control", "no-store") in response.headers


def test_the_token_in_json() -> None:
    response = replace(ENDPOINT, field_name="subject_token")(GOOD)
    assert json.loads(response.body) == {"subject_token": TOKEN}
    assert ("content-type", "application/json") in response.headers


def test_another_path_and_header() -> None:
    endpoint = replace(ENDPOINT, path="/google", header="X-Secret")
    headers = {"host": "[::1]:8787", "x-secret": SECRET}
    assert endpoint(replace(GOOD, path="/google", headers=headers)).status == 200
    assert endpoint(replace(GOOD, path="/google")).status == 401


@pytest.mark.parametrize(
    ("changes", "status"),
    [
        ({"headers": {"host": "127.0.0.1"}}, 401),
        ({"headers": {"host": "127.0.0.1", "authorization": ""}}, 401),
        ({"headers": {"host": "127.0.0.1", "authorization": SECRET[:-1]}}, 401),
        ({"headers": {"host": "127.0.0.1", "authorization": f"{SECRET}é"}}, 401),
        ({"repeated": frozenset({"authorization"})}, 401),
        ({"repeated": frozenset({"host"})}, 403),
        ({"headers": {"host": "evil.example:8787", "authorization": SECRET}}, 403),
        ({"headers": {"host": "localhost.evil.example", "authorization": SECRET}}, 403),
        ({"headers": {"host": "", "authorization": SECRET}}, 403),
        ({"headers": {**GOOD.headers, "origin": "https://evil.example"}}, 403),
        ({"headers": {**GOOD.headers, "x-forwarded-for": "192.0.2.1"}}, 403),
        ({"peer": "192.0.2.1"}, 403),
        ({"path": "/token/"}, 404),
        ({"method": "POST"}, 405),
        ({"method": "HEAD"}, 405),
    ],
)
def test_who_does_not_get_it(changes: dict[str, object], status: int) -> None:
    response = ENDPOINT(replace(GOOD, **changes))  # type: ignore[arg-type]
    assert response.status == status
    assert TOKEN.encode() not in response.body
    assert SECRET.encode() not in response.body


def test_there_is_no_token() -> None:
    assert replace(ENDPOINT, token=lambda: None)(GOOD).status == 503


def test_without_a_secret_nobody_gets_it() -> None:
    headers = {"host": "127.0.0.1", "authorization": ""}
    assert replace(ENDPOINT, secret="")(replace(GOOD, headers=headers)).status == 401


def test_neither_token_nor_secret_is_shown() -> None:
    assert SECRET not in repr(ENDPOINT)
