"""CreateSession's face: who has signed with the key of which certificate."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any
from urllib.parse import urlencode

import pytest
from clouds_under_test import ISSUER, NOW, SUBJECT, Issuer
from cryptography.hazmat.primitives.serialization import Encoding
from forgery.tokens import ec_key, rsa_key
from hypothesis import given
from hypothesis import strategies as st
from x509_signer import signed_headers

from spire_bridge.listen.http import Request, Response
from spire_bridge.models.issuer_cache import IssuerCache
from spire_bridge.models.roles_anywhere import RolesAnywhere
from spire_bridge.models.signed_request import Authorization, is_signed_by
from spire_bridge.models.surroundings import Surroundings
from spire_bridge.sandbox.x509_authority import X509Authority
from spire_bridge.service.dev.cloud_accounts import (
    ACCOUNT,
    ANCHOR_ARN,
    PROFILE_ARN,
    ROLE_ARN,
    Descriptions,
)

HOST = "rolesanywhere.test"
QUERY = {"profileArn": PROFILE_ARN, "roleArn": ROLE_ARN, "trustAnchorArn": ANCHOR_ARN}
AUTHORITY = X509Authority(
    lambda: float(NOW), trust_domain_id="spiffe://example.org", intermediate=True
)
ROOT = AUTHORITY.keys[0].root
SVID = AUTHORITY.issue(SUBJECT, 3600)
AROUND = Surroundings(IssuerCache(Issuer().read), lambda: float(NOW))
ENDPOINT = RolesAnywhere(Descriptions.of(ISSUER, SUBJECT, [ROOT]).trust().roles_anywhere, AROUND)


def request(
    query: Mapping[str, str] = QUERY,
    body: bytes = b'{"durationSeconds":900}',
    at: float = NOW,
    **how: Any,
) -> Request:
    """A well signed request; `how` says with what."""
    how = {"key": SVID.private_key, "chain": SVID.chain, **how}
    headers = signed_headers(host=HOST, query=query, body=body, at=at, **how)
    return Request("POST", "/sessions", headers, f"/sessions?{urlencode(query)}", body=body)


def answered(asked: Request) -> tuple[int, str, Any]:
    answer: Response = ENDPOINT(asked)
    return answer.status, dict(answer.headers).get("x-amzn-errortype", ""), json.loads(answer.body)


def test_an_svid_gets_a_session() -> None:
    status, _, answer = answered(request())
    (credentials,) = answer["credentialSet"]
    serial = f"{SVID.chain[0].serial_number:x}"
    assert status == 201
    assert credentials["credentials"]["expiration"] == "2026-09-11T11:03:41Z"
    assert credentials["assumedRoleUser"]["arn"] == (
        f"arn:aws:sts::{ACCOUNT}:assumed-role/web/{serial}"
    )
    assert answer["subjectArn"].startswith(f"arn:aws:rolesanywhere:eu-central-1:{ACCOUNT}:subject/")


def test_the_parameters_may_stand_in_the_body() -> None:
    body = json.dumps(QUERY).encode()
    assert answered(request(query={}, body=body))[0] == 201


DENIED, INVALID = "AccessDeniedException", "ValidationException"
OTHER_KEY, STRANGER = ec_key(5), X509Authority(lambda: NOW, trust_domain_id="spiffe://example.org")
STRANGERS = STRANGER.issue(SUBJECT, 3600)


@pytest.mark.parametrize(
    ("asked", "status", "code", "message"),
    [
        (request(key=OTHER_KEY), 403, DENIED, "Invalid signature"),
        (request(key=rsa_key()), 403, DENIED, "Invalid signature"),
        (request(at=NOW - 301), 403, DENIED, "Invalid signature"),
        (request(at=NOW + 301), 403, DENIED, "Invalid signature"),
        (
            request(key=STRANGERS.private_key, chain=STRANGERS.chain),
            403,
            DENIED,
            "Untrusted signing certificate",
        ),
        (request(chain=SVID.chain[:1]), 403, DENIED, "Untrusted signing certificate"),
        (
            request({**QUERY, "roleArn": f"{ROLE_ARN}-other"}),
            403,
            DENIED,
            f"Unable to assume role for {ROLE_ARN}-other",
        ),
        (request({**QUERY, "profileArn": "?"}), 404, "ResourceNotFoundException", None),
        (request(query={}), 404, "ResourceNotFoundException", None),
        (request(body=b'{"durationSeconds":899}'), 400, INVALID, None),
        (request(body=b'{"durationSeconds":"an hour"}'), 400, INVALID, None),
        (request(body=b'{"roleSessionName":1}'), 400, INVALID, None),
        (request(body=b"\xff"), 400, INVALID, None),
        (request(body=b"[]"), 400, INVALID, None),
        (replace(request(), repeated=frozenset({"x-amz-x509"})), 400, INVALID, None),
        (replace(request(), method="PUT"), 405, INVALID, None),
        (Request("POST", "/sessions", {}, f"/sessions?{urlencode(QUERY)}"), 400, INVALID, None),
    ],
)
def test_each_refusal_has_its_code(
    asked: Request, status: int, code: str, message: str | None
) -> None:
    found = answered(asked)
    assert found[:2] == (status, code)
    assert message is None or found[2] == {"message": message}


@pytest.mark.parametrize(
    "changed",
    [
        {"body": b'{"durationSeconds":3600}'},
        {"target": f"/sessions?{urlencode({**QUERY, 'roleSessionName': 'root'})}"},
        {"path": "/session"},
        {"method": "PUT"},
        {"x-amz-date": "20260911T104842Z"},
        {"x-amz-date": "today"},
        {"host": "other.test"},
        {"authorization": "Bearer token"},
        {"authorization": ""},
    ],
)
def test_a_request_that_was_changed_on_its_way_is_not_signed(changed: dict[str, Any]) -> None:
    good = request()
    assert is_signed_by(good, SVID.chain[0], NOW)
    fields = {name: changed.pop(name) for name in list(changed) if name in Request.__slots__}
    asked = replace(good, headers={**good.headers, **changed}, **fields)
    assert not is_signed_by(asked, SVID.chain[0], NOW)


def test_the_certificate_must_be_signed_along() -> None:
    """Or else who holds one signature could show another certificate with the same key."""
    good = request()
    authorization = good.headers["authorization"].replace(";x-amz-x509;", ";")
    asked = replace(good, headers={**good.headers, "authorization": authorization})
    assert Authorization.of(asked) is not None
    assert not is_signed_by(asked, SVID.chain[0], NOW)


def test_the_serial_number_must_be_the_leafs() -> None:
    assert not is_signed_by(request(), AUTHORITY.issue(SUBJECT, 3600).chain[0], NOW)


@pytest.mark.parametrize("value", ["", "!", base64.b64encode(b"nothing").decode(), "a" * 30_000])
def test_what_is_no_certificate_is_refused(value: str) -> None:
    good = request()
    asked = replace(good, headers={**good.headers, "x-amz-x509": value, "x-amz-x509-chain": ""})
    assert answered(asked)[:2] == (400, INVALID)


@given(st.text(max_size=100), st.text(max_size=100), st.binary(max_size=100))
def test_any_headers_are_answered(authorization: str, date: str, body: bytes) -> None:
    leaf = base64.b64encode(SVID.chain[0].public_bytes(Encoding.DER)).decode()
    headers = {"authorization": authorization, "x-amz-date": date, "x-amz-x509": leaf}
    target = f"/sessions?{urlencode(QUERY)}"
    status, *_ = answered(Request("POST", "/sessions", headers, target, body=body))
    assert 400 <= status < 500
