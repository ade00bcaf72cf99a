"""Google's token exchange and impersonation, against the model and against odd answers."""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qs

import pytest
from clouds_under_test import NOW, Clouds, token
from hypothesis import given
from token_answers import answer, answers, odd_answers, outcome

from spire_bridge.cloud.google.attribute_rules import ACCOUNT_RULE, ATTRIBUTE_RULES
from spire_bridge.cloud.google.credential_rules import CREDENTIAL_RULES
from spire_bridge.credentials.access_token import AccessToken
from spire_bridge.credentials.google.errors import (
    GoogleRefused,
    UnexpectedGoogleAnswer,
)
from spire_bridge.credentials.google.exchange import (
    DEFAULT_SCOPE,
    AccessRequest,
    read_exchange,
    read_impersonation,
)
from spire_bridge.credentials.google.provider import Endpoints, Provider, ServiceAccount
from spire_bridge.credentials.google.refusals import CLAUSES, GoogleAway
from spire_bridge.errors import BridgeError
from spire_bridge.service.dev.cloud_accounts import EMAIL, PROVIDER
from spire_bridge.spiffe.jwt_svid import UnverifiedJwtSvid

ACCOUNT = ServiceAccount(EMAIL, 600)
WANTED = AccessRequest(Provider.parse(PROVIDER), Endpoints.of())
IMPERSONATED = AccessRequest(Provider.parse(PROVIDER), Endpoints.of(), account=ACCOUNT)
EXCHANGED = {"access_token": "ya29.a", "token_type": "Bearer", "expires_in": 288}


def svid(**changes: Any) -> UnverifiedJwtSvid:
    return UnverifiedJwtSvid.parse(token(**changes))


def test_an_exchange_at_the_model() -> None:
    access = WANTED(svid(), Clouds().send, now=NOW)
    assert access.value.startswith("ya29.model.")
    assert access.expires_at == NOW + 288
    assert access.value not in repr(access)


def test_an_impersonation_at_the_model() -> None:
    access = IMPERSONATED(svid(), Clouds().send, now=NOW)
    assert access.value.startswith("ya29.model.")
    assert access.expires_at == NOW + 600


def test_a_federated_token_for_impersonation_can_nothing_else() -> None:
    forms = [parse_qs(wanted.exchange_request(svid()).body) for wanted in (WANTED, IMPERSONATED)]
    assert [form[b"scope"] for form in forms] == [
        [DEFAULT_SCOPE.encode()],
        [b"https://www.googleapis.com/auth/iam"],
    ]


def test_nothing_that_is_sent_is_shown() -> None:
    shown = svid()
    federated = AccessToken("ya29.secret", NOW + 60)
    for request in (
        IMPERSONATED.exchange_request(shown),
        IMPERSONATED.impersonation_request(ACCOUNT, federated),
    ):
        assert shown.token not in repr(request)
        assert federated.value not in repr(request)


@pytest.mark.parametrize(
    ("wanted", "changes", "clause"),
    [
        (WANTED, {"aud": ["another"]}, "audience"),
        (WANTED, {"iss": "https://another.test"}, "issuer"),
        (WANTED, {"iat": 1, "exp": 2}, "expiry"),
        (WANTED, {"key_id": "two"}, "signing key"),
        (WANTED, {"sub": f"spiffe://example.org/{'a' * 128}"}, "subject size"),
        (IMPERSONATED, {"sub": "spiffe://example.org/another"}, "service account"),
    ],
)
def test_a_refusal_names_its_clause(
    wanted: AccessRequest, changes: dict[str, Any], clause: str
) -> None:
    shown = svid(**changes)
    with pytest.raises(GoogleRefused, match=f"clause {clause}: ") as raised:
        wanted(shown, Clouds().send, now=NOW)
    assert raised.value.clause == clause
    assert raised.value.hint
    assert shown.token not in raised.value.diagnostic()


def test_an_unknown_provider() -> None:
    name = PROVIDER.replace("providers/spire", "providers/another")
    wanted = AccessRequest(Provider.parse(name), Endpoints.of())
    with pytest.raises(GoogleRefused, match="clause provider: invalid_target: ") as raised:
        wanted(svid(), Clouds().send, now=NOW)
    assert raised.value.clause == "provider"


# What the documentation and measurements have, and the model says only to other providers.
DOCUMENTED = {
    "exchange audience": 'Invalid value for "audience". This value should be the full resource',
    "token": "Unable to parse the ID Token.",
    "signing key": "Only RSA, EC key types are supported",
    "signature": "Unable to verify the ID Token signature.",
    "mapped attributes": "The mapped attribute 'google.subject' must be of type STRING.",
    "attribute condition": "The given credential is rejected by the attribute condition.",
}


@pytest.mark.parametrize(("clause", "words"), DOCUMENTED.items())
def test_documented_words_name_their_clause(clause: str, words: str) -> None:
    content = {"error": "invalid_grant", "error_description": words}
    with pytest.raises(GoogleRefused) as raised:
        read_exchange(answer(content, 400), now=NOW)
    assert raised.value.clause == clause
    assert words in raised.value.message


def test_clauses_are_those_of_the_rules() -> None:
    rules = {rule.name for rule in (*CREDENTIAL_RULES, *ATTRIBUTE_RULES, ACCOUNT_RULE)}
    assert {clause.name for clause in CLAUSES} <= rules


def test_words_that_nobody_documented() -> None:
    content = {"error": "invalid_grant", "error_description": "Something\nnew."}
    with pytest.raises(GoogleRefused, match=r"the token: invalid_grant: Something new\.") as raised:
        read_exchange(answer(content, 400), now=NOW)
    assert raised.value.clause == ""


def test_a_token_in_a_refusal_is_not_repeated() -> None:
    shown = svid()
    content = {"error": "invalid_grant", "error_description": f"What is {shown.token}?"}
    with pytest.raises(GoogleRefused, match=r"What is \(a token\)\?"):
        read_exchange(answer(content, 400), now=NOW)


@pytest.mark.parametrize("status", [429, 500, 502, 503])
def test_what_may_be_tried_again(status: int) -> None:
    with pytest.raises(GoogleAway, match=f"now \\({status}\\): no words"):
        read_exchange(answer(b"busy", status), now=NOW)
    content = {"error": {"status": "RESOURCE_EXHAUSTED", "message": "Quota."}}
    with pytest.raises(GoogleAway, match=r"RESOURCE_EXHAUSTED: Quota\."):
        read_impersonation(answer(content, status), ACCOUNT, now=NOW)


ODD = odd_answers(EXCHANGED, "access_token", "expires_in")
NOT_A_TIME = ("", "soon", "2026-09-11T11:00:00", "0001-01-01T00:00:00Z", "9999-12-31T23:59:59Z", 5)


@pytest.mark.parametrize("odd", ODD.values(), ids=ODD.keys())
def test_an_odd_answer_is_no_token(odd: Any) -> None:
    with pytest.raises(UnexpectedGoogleAnswer, match="neither a token nor an error"):
        read_exchange(odd, now=NOW)


@pytest.mark.parametrize("time", NOT_A_TIME)
def test_an_odd_time_is_no_end(time: object) -> None:
    content = {"accessToken": "ya29.a", "expireTime": time}
    with pytest.raises(UnexpectedGoogleAnswer):
        read_impersonation(answer(content), ACCOUNT, now=NOW)


def test_a_redirect_is_not_followed() -> None:
    with pytest.raises(UnexpectedGoogleAnswer, match=r"\(302\)"):
        read_exchange(answer(b"", 302), now=NOW)


@given(answers("access_token", "expires_in", "error", "error_description"))
def test_any_answer_is_a_token_or_an_error(drawn: Any) -> None:
    access = outcome(lambda: read_exchange(drawn, now=NOW))
    assert isinstance(access, BridgeError) or (access.value and access.expires_at > NOW)


@given(answers("accessToken", "expireTime", "error"))
def test_any_answer_to_an_impersonation_is_one(drawn: Any) -> None:
    access = outcome(lambda: read_impersonation(drawn, ACCOUNT, now=NOW))
    assert isinstance(access, BridgeError) or (access.value and access.expires_at > NOW)
