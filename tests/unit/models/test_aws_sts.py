"""STS' face: the answers of the documentation, and nothing that a request can break."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from urllib.parse import urlencode

import pytest
from clouds_under_test import ISSUER, NOW, SUBJECT, UNREADABLE, Clouds, token
from hypothesis import given
from hypothesis import strategies as st

from spire_bridge.listen.http import Request, Response
from spire_bridge.service.dev.cloud_accounts import ACCOUNT, ROLE_ARN

NAMESPACE = "https://sts.amazonaws.com/doc/2011-06-15/"


def parameters(**changes: str | None) -> dict[str, str]:
    """A good request but for these parameters; None leaves one out."""
    good = {
        "Action": "AssumeRoleWithWebIdentity",
        "Version": "2011-06-15",
        "RoleArn": ROLE_ARN,
        "RoleSessionName": "session",
        "WebIdentityToken": token(),
    }
    return {name: value for name, value in (good | changes).items() if value is not None}


def found(answer: Response, path: str) -> str | None:
    steps = "/".join(f"{{{NAMESPACE}}}{step}" for step in path.split("/"))
    return ET.fromstring(answer.body).findtext(steps)


def test_a_good_token_gets_a_session(clouds: Clouds) -> None:
    answer = clouds.post("/", parameters())
    assert (answer.status, dict(answer.headers)["content-type"]) == (200, "text/xml")
    result = "AssumeRoleWithWebIdentityResult"
    assert {
        name: found(answer, f"{result}/{name}")
        for name in ("SubjectFromWebIdentityToken", "Audience", "Provider", "SourceIdentity")
    } == {
        "SubjectFromWebIdentityToken": SUBJECT,
        "Audience": "demo",
        "Provider": f"arn:aws:iam::{ACCOUNT}:oidc-provider/127.0.0.1:8080",
        "SourceIdentity": None,
    }
    user = f"{result}/AssumedRoleUser"
    assert found(answer, f"{user}/Arn") == f"arn:aws:sts::{ACCOUNT}:assumed-role/web/session"
    assert re.fullmatch(r"AROA[A-Z2-7]{16}:session", found(answer, f"{user}/AssumedRoleId") or "")
    credentials = f"{result}/Credentials"
    assert re.fullmatch(r"ASIA[A-Z2-7]{16}", found(answer, f"{credentials}/AccessKeyId") or "")
    assert found(answer, f"{credentials}/Expiration") == "2026-09-11T11:48:41Z"
    assert found(answer, "ResponseMetadata/RequestId") == dict(answer.headers)["x-amzn-requestid"]


def test_the_query_will_do_instead_of_a_form(clouds: Clouds) -> None:
    target = f"/?{urlencode(parameters())}"
    assert clouds.ask(Request("GET", "/", {}, target)).status == 200


def test_a_refusal_is_what_the_rules_say_byte_for_byte(clouds: Clouds) -> None:
    answer = clouds.post("/", parameters(WebIdentityToken=token(aud=["other"])))
    request_id = dict(answer.headers)["x-amzn-requestid"]
    assert answer.status == 400
    assert answer.body.decode() == (
        f'<ErrorResponse xmlns="{NAMESPACE}">\n'
        "  <Error>\n"
        "    <Type>Sender</Type>\n"
        "    <Code>InvalidIdentityToken</Code>\n"
        "    <Message>The web identity token provided could not be validated. See the"
        " AssumeRoleWithWebIdentity documentation for requirements.</Message>\n"
        "  </Error>\n"
        f"  <RequestId>{request_id}</RequestId>\n"
        "</ErrorResponse>\n"
    )
    (verdict,) = clouds.verdicts
    assert verdict.failed is not None
    assert verdict.failed.name == "registered audience"


@pytest.mark.parametrize(
    ("changes", "status", "code"),
    [
        ({"WebIdentityToken": token(sub="spiffe://example.org/db")}, 403, "AccessDenied"),
        ({"RoleArn": f"arn:aws:iam::{ACCOUNT}:role/other"}, 403, "AccessDenied"),
        ({"WebIdentityToken": token(exp=NOW - 301)}, 400, "ExpiredTokenException"),
        ({"WebIdentityToken": "no token"}, 400, "InvalidIdentityToken"),
        ({"WebIdentityToken": token(sub=None)}, 400, "InvalidIdentityToken"),
        ({"WebIdentityToken": token("unknown")}, 400, "InvalidIdentityToken"),
        ({"RoleSessionName": "a/b"}, 400, "ValidationError"),
        ({"DurationSeconds": "10"}, 400, "ValidationError"),
        ({"DurationSeconds": "an hour"}, 400, "MalformedInput"),
        ({"DurationSeconds": "9" * 5_000}, 400, "MalformedInput"),
        ({"RoleArn": None}, 400, "ValidationError"),
        ({"WebIdentityToken": None}, 400, "ValidationError"),
        ({"WebIdentityToken": "a" * 20_001}, 400, "ValidationError"),
        ({"Action": None}, 400, "MissingAction"),
        ({"Action": "GetCallerIdentity"}, 400, "InvalidAction"),
        ({"Version": "2020-01-01"}, 400, "InvalidAction"),
        ({"ProviderId": "graph.facebook.com"}, 403, "IDPRejectedClaim"),
    ],
)
def test_each_refusal_has_its_code_and_status(
    clouds: Clouds, changes: dict[str, str | None], status: int, code: str
) -> None:
    answer = clouds.post("/", parameters(**changes))
    assert (answer.status, found(answer, "Error/Code")) == (status, code)


def test_an_issuer_out_of_reach_is_said(clouds: Clouds) -> None:
    clouds.issuer.problem = "no route to it"
    answer = clouds.post("/", parameters())
    assert found(answer, "Error/Code") == "IDPCommunicationError"


def test_an_issuer_that_nobody_trusts_is_not_asked(clouds: Clouds) -> None:
    answer = clouds.post("/", parameters(WebIdentityToken=token(iss="https://evil.example")))
    message = "No OpenIDConnect provider found in your account for https://evil.example"
    assert found(answer, "Error/Message") == message
    assert clouds.issuer.asked == []


@pytest.mark.parametrize(("content_type", "body"), UNREADABLE)
def test_what_cannot_be_read_is_refused(clouds: Clouds, content_type: str, body: bytes) -> None:
    answer = clouds.post("/", body, {"content-type": content_type})
    assert 400 <= answer.status < 500
    assert found(answer, "Error/Code") == "MalformedQueryString"


def test_a_parameter_that_comes_twice_is_refused(clouds: Clouds) -> None:
    body = urlencode([*parameters().items(), ("RoleArn", ROLE_ARN)]).encode()
    assert found(clouds.post("/", body), "Error/Code") == "MalformedQueryString"


def test_what_xml_cannot_write_is_replaced(clouds: Clouds) -> None:
    strange = token(iss=f"{ISSUER}<&>\x00\x1b\uffff")
    answer = clouds.post("/", parameters(WebIdentityToken=strange))
    message = f"No OpenIDConnect provider found in your account for {ISSUER}<&>\ufffd\ufffd\ufffd"
    assert found(answer, "Error/Message") == message


@given(st.dictionaries(st.text(max_size=20), st.text(max_size=50), max_size=8))
def test_any_form_is_answered_in_xml(given_parameters: dict[str, str]) -> None:
    body = urlencode({**parameters(), **given_parameters}, errors="replace").encode()
    answer = Clouds().post("/", body)
    assert answer.status < 500
    ET.fromstring(answer.body)
