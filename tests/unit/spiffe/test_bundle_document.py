"""The SPIFFE bundle document (SPIFFE Trust Domain and Bundle, section 4)."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ed25519
from forgery.certificates import LEAF, SIGNING, certificate, der, with_version
from forgery.tokens import ec_key, jwk, jwk_set, rsa_key
from hypothesis import given
from hypothesis import strategies as st

from spire_bridge.jose.public_key import PublicKey
from spire_bridge.spiffe.bundle import MAX_UINT64, Bundle
from spire_bridge.spiffe.errors import InvalidBundle
from spire_bridge.spiffe.id import TrustDomain
from spire_bridge.spiffe.jwt_bundle import JwtAuthority, JwtBundle
from spire_bridge.spiffe.x509_bundle import X509Bundle

HERE = TrustDomain("example.com")


def root(key: Any = None) -> x509.Certificate:
    return certificate(SIGNING, public_key=(key or ec_key(2)).public_key())


def x5c(*certificates: x509.Certificate) -> list[str]:
    return [base64.b64encode(der(one)).decode() for one in certificates]


def x509_key(key: Any = None, **members: Any) -> dict[str, Any]:
    key = key or ec_key(2)
    return jwk(key, **{"use": "x509-svid", "x5c": x5c(root(key)), **members})


def read(*keys: dict[str, Any], **members: Any) -> Bundle:
    return Bundle.from_document(HERE, jwk_set(*keys, **members))


def test_the_first_bundle_of_appendix_a() -> None:
    key = {**x509_key(rsa_key()), "e": "AQAB"}
    bundle = read(key, spiffe_sequence=1, spiffe_refresh_hint=2419200)
    assert bundle.trust_domain == HERE
    assert (bundle.sequence, bundle.refresh_hint_seconds) == (1, 2419200)
    assert bundle.x509.authorities == (root(rsa_key()),)
    assert bundle.jwt == JwtBundle(HERE)


def test_the_second_bundle_of_appendix_a() -> None:
    """Both roots, in the order of the document."""
    keys = [x509_key(rsa_key()), x509_key(rsa_key("second"))]
    bundle = read(*keys, spiffe_sequence=2, spiffe_refresh_hint=2419200)
    assert bundle.x509.authorities == (root(rsa_key()), root(rsa_key("second")))


def test_the_bundle_of_appendix_b() -> None:
    jwt_key = jwk(rsa_key("second"), kid="JWT key id", use="jwt-svid")
    bundle = read(x509_key(rsa_key()), jwt_key, spiffe_sequence=12035488)
    assert bundle.sequence == 12035488
    assert bundle.refresh_hint_seconds is None
    assert list(bundle.jwt.authorities) == ["JWT key id"]
    assert len(bundle.x509.authorities) == 1
    assert not bundle.jwt.skipped


def test_no_other_member_is_needed() -> None:
    bundle = read()
    assert bundle == Bundle(HERE, JwtBundle(HERE), X509Bundle(HERE))
    assert (bundle.sequence, bundle.refresh_hint_seconds) == (None, None)


def test_members_defined_elsewhere_are_ignored() -> None:
    assert read(other={"a": [1]}, refresh_hint=5) == read()


@pytest.mark.parametrize("name", ["spiffe_sequence", "spiffe_refresh_hint"])
@pytest.mark.parametrize("value", [0, 1, 1 << 53, (1 << 53) + 1, 1 << 63, MAX_UINT64])
def test_integers_have_64_bits(name: str, value: int) -> None:
    """SPIRE counts the sequence as unsigned; section 4.1.1 asks for 64 bits of precision."""
    bundle = read(**{name: value})
    assert value in (bundle.sequence, bundle.refresh_hint_seconds)


@pytest.mark.parametrize("name", ["spiffe_sequence", "spiffe_refresh_hint"])
@pytest.mark.parametrize(
    "value", [-1, MAX_UINT64 + 1, 10**400, 1.0, 1.5, "1", True, False, None, [1], {}], ids=repr
)
def test_anything_else_is_no_such_integer(name: str, value: object) -> None:
    with pytest.raises(InvalidBundle, match=f"'{name}' is not a non-negative integer"):
        read(**{name: value})


def test_only_the_first_certificate_of_an_entry_counts() -> None:
    """X509-SVID section 6.2."""
    entry = x509_key(x5c=[*x5c(root()), *x5c(root(ec_key(3))), "garbage"])
    assert read(entry).x509.authorities == (root(),)


def test_a_key_id_on_a_certificate_is_ignored() -> None:
    jwt_key = jwk(ec_key(), kid="same", use="jwt-svid")
    bundle = read(x509_key(kid="same"), jwt_key)
    assert len(bundle.x509.authorities) == len(bundle.jwt.authorities) == 1


UNUSABLE = {
    "no x5c": {"x5c": None},
    "empty": {"x5c": []},
    "a string": {"x5c": x5c(root())[0]},
    "an object": {"x5c": {"0": x5c(root())[0]}},
    "a number in it": {"x5c": [5]},
    "empty text in it": {"x5c": [""]},
    "base64url": {"x5c": [x5c(root())[0].replace("+", "-").replace("/", "_") + "-"]},
    "with newlines": {"x5c": [x5c(root())[0][:64] + "\n" + x5c(root())[0][64:]]},
    "not ASCII": {"x5c": ["\u00e9\u00e9\u00e9\u00e9"]},
    "no certificate": {"x5c": [base64.b64encode(b"0\0").decode()]},
    "trailing data": {"x5c": [base64.b64encode(der(root()) + b"\0").decode()]},
    "unknown version": {"x5c": [base64.b64encode(with_version(der(root()), 5)).decode()]},
    "unknown key type": {"kty": "new"},
    "no key type": {"kty": None},
    "key type a list": {"kty": ["RSA"]},
}


@pytest.mark.parametrize("members", UNUSABLE.values(), ids=UNUSABLE.keys())
def test_an_entry_without_usable_certificate_is_skipped(members: dict[str, Any]) -> None:
    bundle = read(x509_key(**members), x509_key(ec_key(3)))
    assert bundle.x509.authorities == (root(ec_key(3)),)
    (skipped,) = bundle.jwt.skipped
    assert skipped.key_id == "x509-svid"


def test_an_ed25519_root_is_read_but_cannot_be_written() -> None:
    key = ed25519.Ed25519PrivateKey.generate()
    certificates = x5c(certificate(SIGNING, public_key=key.public_key()))
    bundle = read({"kty": "OKP", "crv": "Ed25519", "use": "x509-svid", "x5c": certificates})
    assert len(bundle.x509.authorities) == 1
    with pytest.raises(InvalidBundle, match="cannot be written"):
        bundle.to_document()


def test_a_root_of_an_unknown_curve_cannot_be_written() -> None:
    p256, other = bytes.fromhex("06082a8648ce3d030107"), bytes.fromhex("06082a8648ce3d030109")
    data = der(root()).replace(p256, other)
    bundle = read(x509_key(x5c=[base64.b64encode(data).decode()]))
    with pytest.raises(InvalidBundle, match="cannot be written"):
        bundle.to_document()


def bundle_of(numbers: list[int], roots: list[int], **members: Any) -> Bundle:
    keys = (JwtAuthority(f"key {n}", PublicKey.from_jwk(jwk(ec_key(n)))) for n in numbers)
    certificates = tuple(root(ec_key(n)) for n in roots)
    return Bundle(HERE, JwtBundle.of(HERE, keys), X509Bundle(HERE, certificates), **members)


def test_the_document_is_to_the_letter() -> None:
    document = json.loads(bundle_of([2, 1], [3], sequence=5, refresh_hint_seconds=0).to_document())
    certificate_key, first, second = document.pop("keys")
    assert document == {"spiffe_sequence": 5, "spiffe_refresh_hint": 0}
    certificates = [base64.b64decode(one) for one in certificate_key.pop("x5c")]
    assert [x509.load_der_x509_certificate(one) for one in certificates] == [root(ec_key(3))]
    # X509-SVID section 6.1: no `kid`, the key of the certificate.
    assert certificate_key == jwk(ec_key(3), use="x509-svid")
    # JWT-SVID section 6.1: `use` and `kid`; no `alg`, which nothing defines here.
    assert first == jwk(ec_key(1), use="jwt-svid", kid="key 1")
    assert second == jwk(ec_key(2), use="jwt-svid", kid="key 2")


def test_what_a_source_does_not_tell_is_absent() -> None:
    assert json.loads(bundle_of([], []).to_document()) == {"keys": []}


integers = st.none() | st.integers(0, MAX_UINT64)
key_numbers = st.lists(st.integers(0, 20), unique=True, max_size=5)
root_numbers = st.lists(st.sampled_from([30, 31, 32]), unique=True)


@given(key_numbers, root_numbers, integers, integers)
def test_every_bundle_round_trips(
    numbers: list[int], roots: list[int], sequence: int | None, hint: int | None
) -> None:
    bundle = bundle_of(numbers, roots, sequence=sequence, refresh_hint_seconds=hint)
    document = bundle.to_document()
    assert Bundle.from_document(HERE, document) == bundle
    reordered = bundle_of(numbers[::-1], roots, sequence=sequence, refresh_hint_seconds=hint)
    assert reordered.to_document() == document


def test_any_certificate_may_be_an_authority() -> None:
    """A bundle says whom to trust; what a path through it needs, path validation asks."""
    assert read(x509_key(x5c=x5c(certificate(LEAF)))).x509.authorities
