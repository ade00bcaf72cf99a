"""From a GetBundle answer to a bundle: values carried over, oddities by their rules."""

from __future__ import annotations

from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from hypothesis import given
from hypothesis import strategies as st

from spire_bridge._proto import spire_types_pb2 as types
from spire_bridge.errors import EXIT_USAGE, BridgeError
from spire_bridge.jose.public_key import PublicKey
from spire_bridge.sandbox.trust_domain import SandboxTrustDomain
from spire_bridge.server_api.messages import bundle_of
from spire_bridge.spiffe.errors import InvalidBundle
from spire_bridge.spiffe.id import TrustDomain
from spire_bridge.spiffe.jwt_bundle import JwtAuthority
from spire_bridge.transport.rpc_errors import TrustDomainMismatch, UnexpectedAnswer

HOME = TrustDomain("example.org")
EC_KEY = ec.generate_private_key(ec.SECP256R1()).public_key()


def der(key: Any) -> bytes:
    encoded: bytes = key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return encoded


def jwt_key(key_id: str, public_key: bytes | None = None, **fields: Any) -> types.JWTKey:
    public_key = der(EC_KEY) if public_key is None else public_key
    return types.JWTKey(key_id=key_id, public_key=public_key, **fields)


def answer(*keys: types.JWTKey, **fields: Any) -> types.Bundle:
    return types.Bundle(**{"trust_domain": "example.org", "jwt_authorities": keys, **fields})


def test_a_key_keeps_its_id_expiry_and_taint() -> None:
    bundle = bundle_of(
        answer(jwt_key("a", expires_at=1_800_000_000, tainted=True), jwt_key("b", expires_at=0))
    )
    public_key = PublicKey.from_cryptography(EC_KEY)
    assert dict(bundle.jwt.authorities) == {
        "a": JwtAuthority("a", public_key, expires_at=1_800_000_000, tainted=True),
        "b": JwtAuthority("b", public_key, expires_at=None, tainted=False),
    }
    assert bundle.trust_domain == bundle.jwt.trust_domain == bundle.x509.trust_domain == HOME


@pytest.mark.parametrize(
    ("generate", "algorithm"),
    [
        (lambda: rsa.generate_private_key(65537, 2048), "RS256"),
        (lambda: ec.generate_private_key(ec.SECP256R1()), "ES256"),
        (lambda: ec.generate_private_key(ec.SECP384R1()), "ES384"),
        (lambda: ec.generate_private_key(ec.SECP521R1()), "ES512"),
    ],
)
def test_every_key_type_of_spire_is_read(generate: Any, algorithm: str) -> None:
    bundle = bundle_of(answer(jwt_key("a", der(generate().public_key()))))
    assert bundle.jwt.authorities["a"].key.algorithm == algorithm


@pytest.mark.parametrize(
    ("told", "meant"), [(0, None), (-1, None), (300, 300), (2**63 - 1, 2**63 - 1)]
)
def test_a_refresh_hint_of_zero_is_none(told: int, meant: int | None) -> None:
    assert bundle_of(answer(refresh_hint=told)).refresh_hint_seconds == meant


def test_the_sequence_number_is_carried_over() -> None:
    assert bundle_of(answer(sequence_number=2**64 - 1)).sequence == 2**64 - 1


async def test_certificates_are_read_also_tainted_ones(sandbox: SandboxTrustDomain) -> None:
    first, second = sandbox.x509.keys[0].key_id, sandbox.x509.prepare()
    sandbox.x509.activate(second)
    sandbox.x509.taint(first)
    roots = [ca.root for ca in sandbox.x509.keys]
    x509 = [
        types.X509Certificate(asn1=root.public_bytes(Encoding.DER), tainted=number == 0)
        for number, root in enumerate(roots)
    ]
    bundle = bundle_of(answer(x509_authorities=x509))
    assert list(bundle.x509.authorities) == roots


@pytest.mark.parametrize("expected", [None, HOME])
def test_no_keys_is_an_empty_bundle(expected: TrustDomain | None) -> None:
    bundle = bundle_of(answer(), expected)
    assert not bundle.jwt.authorities
    assert not bundle.x509.authorities


@pytest.mark.parametrize(
    ("public_key", "reason"),
    [
        (der(rsa.generate_private_key(65537, 1024).public_key()), "1024 bits"),
        (der(ec.generate_private_key(ec.SECP224R1()).public_key()), "unknown key type"),
        (der(ed25519.Ed25519PrivateKey.generate().public_key()), "unknown key type"),
        (der(EC_KEY)[:-1] + b"\x00", "not a public key"),  # off the curve
        (b"", "not a public key"),
        (b"garbage", "not a public key"),
    ],
)
def test_an_unusable_key_is_skipped_with_a_reason(public_key: bytes, reason: str) -> None:
    bundle = bundle_of(answer(jwt_key("weak", public_key), jwt_key("good")))
    assert set(bundle.jwt.authorities) == {"good"}
    (skipped,) = bundle.jwt.skipped
    assert skipped.key_id == "'weak'"
    assert reason in skipped.reason


def test_a_certificate_that_is_none_is_skipped() -> None:
    bundle = bundle_of(answer(x509_authorities=[types.X509Certificate(asn1=b"garbage")]))
    assert not bundle.x509.authorities
    assert [skipped.key_id for skipped in bundle.jwt.skipped] == ["x509-svid"]


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ([jwt_key("")], "without key ID"),
        ([jwt_key("a"), jwt_key("a")], "'a' twice"),
        ([jwt_key("a", b"garbage"), jwt_key("a")], "'a' twice"),
    ],
)
def test_a_missing_or_repeated_key_id_refuses_the_bundle(
    keys: list[types.JWTKey], message: str
) -> None:
    with pytest.raises(InvalidBundle, match=message):
        bundle_of(answer(*keys))


def test_another_trust_domain_is_an_error_that_names_both() -> None:
    with pytest.raises(TrustDomainMismatch) as caught:
        bundle_of(answer(jwt_key("a"), trust_domain="other.example"), HOME)
    assert "other.example" in caught.value.message
    assert "example.org" in caught.value.message
    assert (caught.value.code, caught.value.exit_status) == ("TRUST_DOMAIN_MISMATCH", EXIT_USAGE)


@pytest.mark.parametrize("name", ["", "not a name", "spiffe://", "example.org/path", "EXAMPLE.org"])
@pytest.mark.parametrize("expected", [None, HOME])
def test_a_bundle_must_name_a_trust_domain(name: str, expected: TrustDomain | None) -> None:
    with pytest.raises(UnexpectedAnswer, match="names no trust domain"):
        bundle_of(answer(jwt_key("a"), trust_domain=name), expected)


_keys = st.builds(
    types.JWTKey,
    key_id=st.text(max_size=8).filter(lambda text: text.isascii()),
    public_key=st.binary(max_size=100) | st.just(der(EC_KEY)),
    expires_at=st.integers(-(2**63), 2**63 - 1),
    tainted=st.booleans(),
)


@given(
    st.builds(
        types.Bundle,
        trust_domain=st.sampled_from(["example.org", ""]),
        jwt_authorities=st.lists(_keys, max_size=4),
        x509_authorities=st.lists(
            st.builds(types.X509Certificate, asn1=st.binary(max_size=64)), max_size=2
        ),
        refresh_hint=st.integers(-(2**63), 2**63 - 1),
        sequence_number=st.integers(0, 2**64 - 1),
    )
)
def test_any_answer_is_a_bundle_or_an_error(message: types.Bundle) -> None:
    try:
        bundle = bundle_of(message)
    except BridgeError:
        return
    told = {key.key_id for key in message.jwt_authorities}
    assert set(bundle.jwt.authorities) <= told
    assert len(bundle.jwt.authorities) + len(bundle.jwt.skipped) == len(
        message.jwt_authorities
    ) + len(message.x509_authorities) - len(bundle.x509.authorities)
