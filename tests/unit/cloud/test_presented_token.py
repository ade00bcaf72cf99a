"""Tokens and documents of strangers: whatever comes, reading them never fails."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest
from forgery.tokens import ec_key, jwk, jwk_set
from hypothesis import given
from hypothesis import strategies as st

from spire_bridge.cloud.issuer_documents import IssuerDocuments, public_key
from spire_bridge.cloud.presentation import Presentation
from spire_bridge.cloud.presented_token import PresentedToken, shown
from spire_bridge.sandbox.trust_domain import SandboxTrustDomain

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=10,
)


def encode(value: Any) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()


def token(claims: Any, header: Any = None) -> PresentedToken:
    return PresentedToken.read(f"{encode(header or {'alg': 'RS256'})}.{encode(claims)}.AA")


@given(st.binary() | st.text())
def test_any_bytes_are_read(data: bytes | str) -> None:
    read = PresentedToken.read(data)
    assert (read.jws is None) == bool(read.defect)


@given(claims=st.dictionaries(st.text(), JSON), name=st.sampled_from(["aud", "exp", "sub"]))
def test_any_claims_are_read(claims: dict[str, Any], name: str) -> None:
    read = token(claims)
    assert read.text(name) is None or isinstance(read.text(name), str)
    assert read.time(name) is None or isinstance(read.time(name), float)
    assert all(isinstance(audience, str) for audience in read.audiences())


@given(discovery=st.binary() | JSON.map(lambda v: json.dumps(v).encode()), jwks=st.binary())
def test_any_documents_are_read(discovery: bytes, jwks: bytes) -> None:
    documents = IssuerDocuments.read(discovery, jwks)
    assert documents.key("x") is None
    assert documents.issuer is None or isinstance(documents.issuer, str)


def test_claims_as_clouds_look_at_them() -> None:
    read = token({"aud": ["a", 1, "b"], "exp": 5, "iat": True, "sub": "s", "n": 10**400})
    assert (read.audiences(), read.time("exp"), read.time("iat")) == (("a", "b"), 5.0, None)
    assert (read.text("sub"), read.text("exp"), read.time("n")) == ("s", None, None)
    assert token({"aud": "a"}).audiences() == ("a",)
    assert token({}).audiences() == ()


def test_the_text_of_a_token_is_not_shown() -> None:
    read = token({"secret": "x"})
    assert "secret" not in repr(read)
    assert encode({"secret": "x"}) not in repr(read)


def test_a_signature_is_checked_with_the_key_that_the_token_names() -> None:
    sandbox = SandboxTrustDomain("example.org", jwt_issuer="https://issuer.example.org")
    signed = sandbox.jwt.sign({"sub": "spiffe://example.org/web"})
    documents = IssuerDocuments.read(b'{"issuer": "i"}', sandbox.bundle.jwks)
    shown_token = Presentation(PresentedToken.read(signed), documents, now=0)
    assert shown_token.key is not None
    assert shown_token.is_signed_with(shown_token.token, shown_token.key)
    other = jwk(ec_key(1), kid="other")
    assert not shown_token.is_signed_with(shown_token.token, other)
    assert not shown_token.is_signed_with(PresentedToken.read("x"), other)


def test_documents_keep_what_nobody_knows() -> None:
    key = jwk(ec_key(1), kid="one", use="sig", new="member")
    documents = IssuerDocuments.read(b'{"issuer": "i", "new": 1}', jwk_set(key, {"kty": "NEW"}))
    assert documents.discovery["new"] == 1
    assert documents.key("one") == key
    assert [public_key(k) is not None for k in documents.keys] == [True, False]


@pytest.mark.parametrize(
    ("jwks", "problem"), [(b"[]", "no JSON object"), (b"{", "no JSON"), (b"{}", "no list of keys")]
)
def test_what_is_no_key_set_is_a_problem(jwks: bytes, problem: str) -> None:
    assert problem in IssuerDocuments.read(b"{}", jwks).problem


def test_a_value_is_shown_on_one_short_line() -> None:
    assert shown("a\nb\x1b[31m") == "a\\u000ab\\u001b[31m"
    assert len(shown("x" * 1000)) == 200
    assert shown(["a", 1]) == '["a", 1]'
