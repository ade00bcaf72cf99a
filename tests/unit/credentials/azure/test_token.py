"""Entra's client credentials, against the model and against odd answers."""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qs

import pytest
from clouds_under_test import NOW, Clouds, token
from hypothesis import given
from token_answers import answer, answers, odd_answers, outcome

from spire_bridge.cloud.entra import refusals
from spire_bridge.cloud.entra.credential_rules import CREDENTIAL_RULES
from spire_bridge.cloud.entra.key_rules import KEY_RULES
from spire_bridge.cloud.rule import Refusal
from spire_bridge.credentials.azure.application import Application
from spire_bridge.credentials.azure.errors import (
    EntraAway,
    EntraRefused,
    InvalidAzureSetting,
    UnexpectedEntraAnswer,
)
from spire_bridge.credentials.azure.refusals import CLAUSES
from spire_bridge.credentials.azure.token import TokenRequest, read_answer
from spire_bridge.errors import BridgeError
from spire_bridge.service.dev.cloud_accounts import APPLICATION, ENTRA_AUDIENCE, SCOPE, TENANT
from spire_bridge.spiffe.jwt_svid import UnverifiedJwtSvid

WANTED = TokenRequest(Application(TENANT, APPLICATION), SCOPE)
GRANTED = {"token_type": "Bearer", "expires_in": 3599, "access_token": "eyJ0.a"}


def svid(**changes: Any) -> UnverifiedJwtSvid:
    return UnverifiedJwtSvid.parse(token(**{"aud": [ENTRA_AUDIENCE], **changes}))


def test_a_token_of_the_model() -> None:
    access = WANTED(svid(), Clouds().send, now=NOW)
    assert access.value.startswith("model.")
    assert access.expires_at == NOW + 3_599
    assert access.value not in repr(access)


def test_what_is_sent() -> None:
    shown = svid()
    request = WANTED.request(shown)
    assert request.url == f"https://login.microsoftonline.com/{TENANT}/oauth2/v2.0/token"
    assert parse_qs(request.body)[b"client_assertion"] == [shown.token.encode()]
    assert shown.token not in repr(request)


@pytest.mark.parametrize(
    ("changes", "number", "clause"),
    [
        ({"aud": ["another"]}, "700212", "audience"),
        ({"iss": "https://another.test"}, "700211", "issuer"),
        ({"sub": "spiffe://example.org/another"}, "700213", "subject"),
        ({"sub": "spiffe://example.org/Web"}, "7002138", "subject"),
        ({"iat": 1, "exp": 2}, "700024", "validity"),
        ({"key_id": "two"}, "7000272", "signing key"),
        ({"iss": APPLICATION}, "700027", "kind of token"),
    ],
)
def test_a_refusal_names_its_clause(changes: dict[str, Any], number: str, clause: str) -> None:
    shown = svid(**changes)
    with pytest.raises(EntraRefused, match=f"clause {clause}: AADSTS{number}: ") as raised:
        WANTED(shown, Clouds().send, now=NOW)
    assert raised.value.clause == clause
    assert raised.value.hint
    assert shown.token not in raised.value.diagnostic()


@pytest.mark.parametrize(
    ("tenant", "client_id", "clause"),
    [("another.test", APPLICATION, "tenant"), (TENANT, "another", "application")],
)
def test_who_is_not_there(tenant: str, client_id: str, clause: str) -> None:
    wanted = TokenRequest(Application(tenant, client_id), SCOPE)
    with pytest.raises(EntraRefused, match=f"clause {clause}: "):
        wanted(svid(), Clouds().send, now=NOW)


DOCUMENTED = {
    "tenant": refusals.unknown_tenant("t"),
    "application": refusals.unknown_application("a", "t"),
    "token": refusals.malformed(),
    "signing algorithm": refusals.unsupported_algorithm("ES256"),
    "federated credentials": refusals.no_credentials("a", "web"),
    "kind of token": refusals.own_token(),
    "discovery": refusals.issuer_unreachable(),
    "signing key": refusals.key_not_found("k", "i"),
    "validity": refusals.out_of_time("now", "then", "later"),
}


@pytest.mark.parametrize(("clause", "refused"), DOCUMENTED.items(), ids=DOCUMENTED.keys())
def test_documented_words_name_their_clause(clause: str, refused: Refusal) -> None:
    description = f"{refused.code}: {refused.message} Trace ID: 1\r\nCorrelation ID: 2"
    content = {"error": "invalid_client", "error_description": description}
    with pytest.raises(EntraRefused) as raised:
        read_answer(answer(content, refused.status), now=NOW)
    assert raised.value.clause == clause
    assert raised.value.message.isprintable()
    assert refused.code in raised.value.message


def test_clauses_are_those_of_the_rules() -> None:
    rules = {rule.name for rule in (*CREDENTIAL_RULES, *KEY_RULES)}
    older = {"issuer, subject or audience"}  # which of the three, Entra once did not say
    assert {clause.name for clause in CLAUSES.values()} <= rules | older


@pytest.mark.parametrize(
    "words", ["AADSTS1234567: new", "AADSTS70021199999: longer", "no number: AADSTS700211"]
)
def test_words_that_nobody_documented(words: str) -> None:
    with pytest.raises(EntraRefused, match=f"the token: {words}") as raised:
        read_answer(answer({"error_description": words}, 400), now=NOW)
    assert raised.value.clause == ""


def test_a_token_in_a_refusal_is_not_repeated() -> None:
    shown = svid()
    content = {"error_description": f"AADSTS50027: {shown.token}"}
    with pytest.raises(EntraRefused, match=r"AADSTS50027: \(a token\)"):
        read_answer(answer(content, 400), now=NOW)


@pytest.mark.parametrize("status", [429, 500, 503])
def test_what_may_be_tried_again(status: int) -> None:
    with pytest.raises(EntraAway, match=f"now \\({status}\\)"):
        read_answer(answer(b"busy", status), now=NOW)


ODD = odd_answers(GRANTED, "access_token", "expires_in")


@pytest.mark.parametrize("odd", ODD.values(), ids=ODD.keys())
def test_an_odd_answer_is_no_token(odd: Any) -> None:
    with pytest.raises(UnexpectedEntraAnswer, match="neither a token nor an error"):
        read_answer(odd, now=NOW)


@given(answers("access_token", "expires_in", "error", "error_description"))
def test_any_answer_is_a_token_or_an_error(drawn: Any) -> None:
    access = outcome(lambda: read_answer(drawn, now=NOW))
    assert isinstance(access, BridgeError) or (access.value and access.expires_at > NOW)


@pytest.mark.parametrize("scope", ["", "https://vault.azure.net", "a b/.default", "a,b/.default"])
def test_what_is_no_scope_of_an_application(scope: str) -> None:
    with pytest.raises(InvalidAzureSetting, match="no such scope"):
        TokenRequest(Application(TENANT, APPLICATION), scope)
