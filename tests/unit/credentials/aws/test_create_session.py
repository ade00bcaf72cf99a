"""CreateSession: signed with SVIDs of either kind, and what is made of each answer."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

import pytest
from clouds_under_test import ISSUER, NOW, SUBJECT, Issuer
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ed25519
from forgery.tokens import ec_key, rsa_key
from hypothesis import given
from hypothesis import strategies as st

from spire_bridge.credentials.aws import errors
from spire_bridge.credentials.aws.create_session import (
    SessionRequest,
    create_session,
    read_answer,
    request,
)
from spire_bridge.credentials.retrying import TryAgain
from spire_bridge.errors import BridgeError
from spire_bridge.listen.http import Request
from spire_bridge.models.issuer_cache import IssuerCache
from spire_bridge.models.roles_anywhere import RolesAnywhere
from spire_bridge.models.surroundings import Surroundings
from spire_bridge.sandbox.x509_authority import X509Authority
from spire_bridge.service.dev.cloud_accounts import (
    ANCHOR_ARN,
    PROFILE_ARN,
    REGION,
    ROLE_ARN,
    Descriptions,
)
from spire_bridge.spiffe.id import SpiffeId
from spire_bridge.spiffe.x509_svid import X509Svid
from spire_bridge.transport.outgoing import HttpAnswer, HttpRequest

ENDPOINT = "https://rolesanywhere.test:8443"
WANTED = SessionRequest(ENDPOINT, REGION, ANCHOR_ARN, PROFILE_ARN, ROLE_ARN)


def authority(*, intermediate: bool) -> X509Authority:
    return X509Authority(
        lambda: float(NOW), trust_domain_id="spiffe://example.org", intermediate=intermediate
    )


FLAT, DEEP = authority(intermediate=False), authority(intermediate=True)
AROUND = Surroundings(IssuerCache(Issuer().read), lambda: float(NOW))
ANCHORS = [FLAT.keys[0].root, DEEP.keys[0].root]
MODEL = RolesAnywhere(Descriptions.of(ISSUER, SUBJECT, ANCHORS).trust().roles_anywhere, AROUND)


def svid(by: X509Authority, key: Any = None) -> X509Svid:
    """One of the authority, for a key of another kind if need be."""
    issued = by.issue(SUBJECT, 3600)
    chain = issued.chain
    if key is not None:
        leaf, signer = chain[0], by.keys[0]
        builder = x509.CertificateBuilder(
            leaf.issuer,
            leaf.subject,
            key.public_key(),
            leaf.serial_number,
            leaf.not_valid_before_utc,
            leaf.not_valid_after_utc,
        )
        for extension in leaf.extensions:
            if not isinstance(extension.value, x509.SubjectKeyIdentifier):
                builder = builder.add_extension(extension.value, extension.critical)
        chain = (builder.sign(signer.private_key, hashes.SHA256()), *chain[1:])
    return X509Svid(SpiffeId.parse(SUBJECT), chain, key or issued.private_key)


def send(sent: HttpRequest) -> HttpAnswer:
    """To the model, as a server would take it."""
    parts = urlsplit(sent.url)
    target = f"{parts.path}?{parts.query}"
    answer = MODEL(Request(sent.method, parts.path, sent.headers, target, body=sent.body))
    return HttpAnswer(answer.status, dict(answer.headers), answer.body)


@pytest.mark.parametrize("by", [FLAT, DEEP], ids=["root", "intermediate"])
@pytest.mark.parametrize("key", [None, rsa_key("workload"), ec_key(3, "P-384")])
def test_a_certificate_gets_credentials(by: X509Authority, key: Any) -> None:
    own = svid(by, key)
    assert create_session(WANTED, own, send, NOW).expires_at == NOW + 3600
    chain = request(WANTED, own, NOW).headers.get("x-amz-x509-chain")
    assert (chain is not None) == (by is DEEP)


@pytest.mark.parametrize("key", [None, rsa_key("workload")])
def test_a_certificate_of_another_authority_gets_none(key: Any) -> None:
    with pytest.raises(errors.AccessDenied, match="Untrusted signing certificate") as refused:
        create_session(WANTED, svid(authority(intermediate=False), key), send, NOW)
    assert refused.value.hint == (
        "clause: chain; to look closer: spire-bridge trust evaluate --roles-anywhere role.json"
    )


@pytest.mark.parametrize(
    "change",
    [
        lambda sent: HttpRequest("POST", sent.url, sent.headers, b'{"durationSeconds": 7200}'),
        lambda sent: HttpRequest(
            "POST", sent.url, {**sent.headers, "x-amz-date": "20260911T104842Z"}, sent.body
        ),
        lambda sent: HttpRequest(
            "POST", sent.url, {**sent.headers, "host": "other.test"}, sent.body
        ),
    ],
)
def test_what_was_changed_on_the_way_is_refused(
    change: Callable[[HttpRequest], HttpRequest],
) -> None:
    with pytest.raises(errors.AccessDenied, match="Invalid signature"):
        create_session(WANTED, svid(FLAT), lambda sent: send(change(sent)), NOW)


def test_a_clock_that_is_off_is_refused() -> None:
    with pytest.raises(errors.AccessDenied, match="Invalid signature"):
        create_session(WANTED, svid(FLAT), send, NOW - 400)


def test_the_body_has_what_was_asked_for_and_nothing_else() -> None:
    own = svid(FLAT)
    named = SessionRequest(ENDPOINT, REGION, ANCHOR_ARN, PROFILE_ARN, ROLE_ARN, "name", 900)
    assert json.loads(request(WANTED, own, NOW).body) == {}
    assert json.loads(request(named, own, NOW).body) == {
        "durationSeconds": 900,
        "roleSessionName": "name",
    }
    with pytest.raises(errors.AccessDenied, match="session name"):
        create_session(named, own, send, NOW)


def test_a_key_that_aws_does_not_take_is_told_at_once() -> None:
    own = X509Svid(SpiffeId.parse(SUBJECT), svid(FLAT).certificates, ed25519_key())
    with pytest.raises(errors.UnsupportedKey, match="takes RSA and EC keys"):
        request(WANTED, own, NOW)


def ed25519_key() -> ed25519.Ed25519PrivateKey:
    return ed25519.Ed25519PrivateKey.generate()


@pytest.mark.parametrize(
    ("answer", "kind", "said"),
    [
        (HttpAnswer(429, {}, b""), errors.Throttled, "HTTP 429"),
        (HttpAnswer(503, {}, b"<html>"), errors.ServiceUnavailable, "HTTP 503"),
        (
            HttpAnswer(400, {"x-amzn-errortype": "ThrottlingException:http://a"}, b"{}"),
            errors.Throttled,
            "ThrottlingException",
        ),
        (HttpAnswer(200, {}, b"{}"), errors.UnexpectedAnswer, "HTTP 200"),
        (HttpAnswer(201, {}, b'{"credentialSet":[]}'), errors.UnexpectedAnswer, "HTTP 201"),
        (HttpAnswer(201, {}, b'{"credentialSet":[{}]}'), errors.UnexpectedAnswer, "HTTP 201"),
        (
            HttpAnswer(201, {}, b'{"credentialSet":[{"credentials":{}}]}'),
            errors.UnexpectedAnswer,
            "access key ID",
        ),
        (HttpAnswer(302, {}, b""), errors.UnexpectedAnswer, "HTTP 302"),
    ],
)
def test_other_answers_have_their_types(
    answer: HttpAnswer, kind: type[BridgeError], said: str
) -> None:
    with pytest.raises(kind, match=said) as refused:
        read_answer(answer)
    assert issubclass(kind, TryAgain) == (refused.value.exit_status == 4)


@given(st.integers(100, 599), st.text(max_size=60), st.binary(max_size=200))
def test_any_answer_is_refused_in_our_words(status: int, code: str, body: bytes) -> None:
    with pytest.raises(BridgeError):
        read_answer(HttpAnswer(status, {"x-amzn-errortype": code}, body))
