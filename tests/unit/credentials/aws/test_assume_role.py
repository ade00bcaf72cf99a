"""AssumeRoleWithWebIdentity: what is sent, and what is made of each answer."""

from __future__ import annotations

from contextlib import suppress
from typing import Any
from urllib.parse import parse_qs

import pytest
from clouds_under_test import NOW, Clouds, token
from hypothesis import given
from hypothesis import strategies as st
from web_identities import CLAIMS, asked, documents, trust, without
from web_identities import token as shown_token

from spire_bridge.cloud.aws import roles_anywhere, sts
from spire_bridge.cloud.rule import Verdict
from spire_bridge.credentials.aws import errors
from spire_bridge.credentials.aws.assume_role import RoleRequest, assume_role, read_answer, request
from spire_bridge.credentials.aws.refusals import ROLES_ANYWHERE, STS, clause_names
from spire_bridge.credentials.aws.temporary import credential_process_json
from spire_bridge.credentials.retrying import TryAgain
from spire_bridge.errors import EXIT_UNAVAILABLE, BridgeError
from spire_bridge.listen.http import Request
from spire_bridge.service.dev.cloud_accounts import ROLE_ARN
from spire_bridge.spiffe.jwt_svid import UnverifiedJwtSvid
from spire_bridge.transport.outgoing import HttpAnswer, HttpRequest

ENDPOINT = "https://sts.test"
SVID = UnverifiedJwtSvid.parse(token())
WANTED = RoleRequest(ENDPOINT, ROLE_ARN)


def ask(wanted: RoleRequest = WANTED, svid: UnverifiedJwtSvid = SVID) -> Any:
    """What the model makes of it."""
    clouds = Clouds()

    def send(sent: HttpRequest) -> HttpAnswer:
        headers = {name.lower(): value for name, value in sent.headers.items()}
        answer = clouds.ask(Request(sent.method, "/", headers, "/", body=sent.body))
        return HttpAnswer(answer.status, dict(answer.headers), answer.body)

    return assume_role(wanted, svid, send)


def xml(code: str, message: str = "no") -> bytes:
    return (
        '<ErrorResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><Error><Type>Sender'
        f"</Type><Code>{code}</Code><Message>{message}</Message></Error></ErrorResponse>"
    ).encode()


def test_the_form_has_what_was_asked_for() -> None:
    wanted = RoleRequest(ENDPOINT, ROLE_ARN, "name", 900, '{"Statement": []}')
    sent = request(wanted, SVID)
    assert (sent.method, sent.url) == ("POST", ENDPOINT)
    assert parse_qs(sent.body.decode()) == {
        "Action": ["AssumeRoleWithWebIdentity"],
        "Version": ["2011-06-15"],
        "RoleArn": [ROLE_ARN],
        "RoleSessionName": ["name"],
        "WebIdentityToken": [SVID.token],
        "DurationSeconds": ["900"],
        "Policy": ['{"Statement": []}'],
    }
    assert SVID.token not in repr(sent)
    plain = parse_qs(request(WANTED, SVID).body.decode())
    assert plain["RoleSessionName"] == ["example.org,web"]
    assert plain.keys().isdisjoint({"DurationSeconds", "Policy"})


def test_a_good_token_gets_credentials_that_hide_in_repr() -> None:
    credentials = ask()
    assert credentials.expires_at == NOW + 3600
    assert credentials.expiration == "2026-09-11T11:48:41Z"
    shown = repr(credentials)
    assert credentials.access_key_id in shown
    assert credentials.secret_access_key not in shown
    assert credentials.session_token not in shown
    assert credentials.session_token in credential_process_json(credentials)


@pytest.mark.parametrize(
    ("changes", "kind", "said", "clause"),
    [
        ({"aud": ["other"]}, errors.InvalidIdentityToken, "could not be validated", "registered"),
        ({"sub": "spiffe://a/b"}, errors.AccessDenied, "Not authorized", "clause: trust policy;"),
        ({"iat": 1, "exp": 2}, errors.ExpiredToken, "Token expired", "clause: expiry;"),
        ({"iss": "https://e.test"}, errors.InvalidIdentityToken, "e.test", "identity provider"),
        ({"iat": NOW + 400}, errors.InvalidIdentityToken, "in the future", "time of issue"),
    ],
)
def test_a_refusal_says_which_clause(
    changes: dict[str, Any], kind: type[BridgeError], said: str, clause: str
) -> None:
    with pytest.raises(kind, match=said) as refused:
        ask(svid=UnverifiedJwtSvid.parse(token(**changes)))
    assert refused.value.hint is not None
    assert clause in refused.value.hint
    assert "spire-bridge trust evaluate --audience" in refused.value.hint


@pytest.mark.parametrize(
    ("code", "status", "kind"),
    [
        ("AccessDenied", 403, errors.AccessDenied),
        ("InvalidIdentityToken", 400, errors.InvalidIdentityToken),
        ("InvalidIdentityTokenException", 400, errors.InvalidIdentityToken),
        ("ExpiredTokenException", 400, errors.ExpiredToken),
        ("IDPRejectedClaim", 403, errors.RejectedClaim),
        ("IDPCommunicationError", 400, errors.IssuerUnreachable),
        ("MalformedPolicyDocument", 400, errors.InvalidRequest),
        ("PackedPolicyTooLarge", 400, errors.InvalidRequest),
        ("RegionDisabledException", 403, errors.InvalidRequest),
        ("ValidationError", 400, errors.InvalidRequest),
        ("Throttling", 400, errors.Throttled),
        ("ThrottlingException", 400, errors.Throttled),
        ("RequestLimitExceeded", 503, errors.Throttled),
        ("InternalFailure", 500, errors.ServiceUnavailable),
        ("Unheard", 429, errors.Throttled),
        ("Unheard", 400, errors.AwsRefused),
    ],
)
def test_each_documented_error_has_its_type(
    code: str, status: int, kind: type[BridgeError]
) -> None:
    with pytest.raises(BridgeError) as refused:
        read_answer(HttpAnswer(status, {}, xml(code)), SVID)
    assert type(refused.value) is kind
    assert refused.value.message == f"AWS STS: {code}: no"
    may_help = isinstance(refused.value, TryAgain)
    assert may_help == (refused.value.exit_status == EXIT_UNAVAILABLE)


@pytest.mark.parametrize("status", [429, 500, 502, 503])
def test_trouble_in_no_words_of_the_api_is_still_trouble(status: int) -> None:
    with pytest.raises(TryAgain, match=f"AWS STS: HTTP {status}"):
        read_answer(HttpAnswer(status, {}, b"<html>"), SVID)


def test_a_message_that_repeats_the_token_does_not_show_it() -> None:
    message = f"Value '{SVID.token}' at 'webIdentityToken' failed"
    with pytest.raises(errors.InvalidRequest) as refused:
        read_answer(HttpAnswer(400, {}, xml("ValidationError", message)), SVID)
    assert "Value '(a token)' at" in refused.value.message
    part = SVID.token[: len(SVID.token) // 2]
    with pytest.raises(errors.InvalidRequest) as refused:
        read_answer(HttpAnswer(400, {}, xml("ValidationError", part)), SVID)
    assert SVID.token[:12] not in refused.value.diagnostic()


def test_a_message_is_cut_and_on_one_line() -> None:
    with pytest.raises(errors.AwsRefused) as refused:
        read_answer(HttpAnswer(400, {}, xml("Unheard", "a\nb" * 5_000)), SVID)
    assert len(refused.value.message) < 1_000
    assert "\n" not in refused.value.message


def good(**changes: str) -> bytes:
    members = {
        "AccessKeyId": "ASIA1",
        "SecretAccessKey": "secret",
        "SessionToken": "token",
        "Expiration": "2026-09-11T11:48:41Z",
        **changes,
    }
    inner = "".join(f"<{name}>{value}</{name}>" for name, value in members.items())
    action = "AssumeRoleWithWebIdentity"
    return (
        f"<{action}Response><{action}Result><Credentials>{inner}"
        f"</Credentials></{action}Result></{action}Response>"
    ).encode()


@pytest.mark.parametrize(
    "changes",
    [
        {"AccessKeyId": ""},
        {"SecretAccessKey": ""},
        {"SessionToken": "a b"},
        {"SessionToken": "a\nb"},
        {"SessionToken": "a" * 20_000},
        {"Expiration": ""},
        {"Expiration": "tomorrow"},
        {"Expiration": "2026-09-11T11:48:41"},
        {"Expiration": "9999-12-31T23:59:59Z"},
    ],
)
def test_credentials_that_no_sdk_could_use_are_refused(changes: dict[str, str]) -> None:
    assert read_answer(HttpAnswer(200, {}, good()), SVID).access_key_id == "ASIA1"
    with pytest.raises(errors.UnexpectedAnswer) as refused:
        read_answer(HttpAnswer(200, {}, good(**changes)), SVID)
    assert "secret" not in refused.value.diagnostic().replace("secret access key", "")


@given(st.integers(100, 599), st.one_of(st.binary(max_size=200), st.text().map(str.encode)))
def test_any_answer_is_read_or_refused(status: int, body: bytes) -> None:
    with pytest.raises(BridgeError):
        read_answer(HttpAnswer(status, {}, body), SVID)


@given(st.text(max_size=80), st.text(max_size=80))
def test_any_expiration_and_code_are_taken_or_refused(end: str, code: str) -> None:
    printable = "".join(c for c in end if c.isalnum() or c in ":-+.TZ")
    with suppress(BridgeError):
        read_answer(HttpAnswer(200, {}, good(Expiration=printable)), SVID)
    escaped = "".join(c for c in code if c.isalnum())
    with pytest.raises(BridgeError):
        read_answer(HttpAnswer(400, {}, xml(escaped)), SVID)


@pytest.mark.parametrize(
    ("wanted", "said"),
    [
        (RoleRequest(ENDPOINT, "short"), "roleArn"),
        (RoleRequest(ENDPOINT, ROLE_ARN, "a/b"), "roleSessionName"),
        (RoleRequest(ENDPOINT, ROLE_ARN, duration_seconds=899), "durationSeconds"),
        (RoleRequest(ENDPOINT, ROLE_ARN, policy="a" * 2_049), "policy"),
    ],
)
def test_what_sts_would_not_take_is_not_sent(wanted: RoleRequest, said: str) -> None:
    with pytest.raises(errors.InvalidRequest, match=said):
        request(wanted, SVID)


def test_the_clauses_are_rules_of_the_models() -> None:
    for clauses, rules in ((STS, sts.RULES), (ROLES_ANYWHERE, roles_anywhere.RULES)):
        names = {name for clause in clauses for name in clause.rules}
        assert names <= {rule.name for rule in rules}
    assert {rule.name for rule in sts.RULES} == {n for clause in STS for n in clause.rules}


TWO = {**CLAIMS, "aud": ["sts.amazonaws.com", "other"]}
ROLES = {**CLAIMS, "https://aws.amazon.com/roles": ["arn:aws:iam::123456789012:role/other"]}
TAGS = {**CLAIMS, "https://aws.amazon.com/tags": {"principal_tags": {"a": ["b"]}}}
BAD_TAGS = {**CLAIMS, "https://aws.amazon.com/tags": {"principal_tags": "a"}}
SOURCE = {**CLAIMS, "https://aws.amazon.com/source_identity": "web"}


@pytest.mark.parametrize(
    "verdict",
    [
        asked("no token"),
        asked(shown_token(without("iat"))),
        asked(shown_token(TWO)),
        asked(shown_token({**CLAIMS, "iss": "https://other.test"})),
        asked(shown_token({**CLAIMS, "nbf": CLAIMS["iat"] + 900})),
        asked(shown_token({**CLAIMS, "exp": "never"})),
        asked(shown_token({**CLAIMS, "aud": ["unregistered"]})),
        asked(shown_token(kid="two")),
        asked(shown_token(alg="PS256")),
        asked(shown_token()[:-8] + "AAAAAAAA"),
        asked(shown_token(ROLES)),
        asked(shown_token(TAGS)),
        asked(shown_token(BAD_TAGS)),
        asked(shown_token(SOURCE)),
        asked(trusted=trust(request={"RoleSessionName": "a/b"})),
        asked(trusted=trust(request={"RoleSessionName": "web", "DurationSeconds": 10_000})),
        asked(shown_token({**CLAIMS, "sub": "spiffe://example.org/other"})),
        asked(keys=documents({"kty": "RSA"})),
    ],
)
def test_the_clause_that_failed_is_among_the_ones_that_are_named(verdict: Verdict) -> None:
    refusal, failed = verdict.refusal, verdict.failed
    assert refusal is not None
    assert failed is not None
    assert failed.name in clause_names(STS, refusal.code, refusal.message)
