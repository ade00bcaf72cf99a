"""Attacks on a token's form and signature: algorithms, signatures, headers, key IDs."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from typing import Any

import pytest
from cryptography.hazmat.primitives import hashes, hmac
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from forgery.certificates import certificate, der
from forgery.target import (
    ATTACKER,
    BUNDLES,
    CLAIMS,
    HEADER,
    HOME,
    NOW,
    OTHER,
    OTHER_KEY,
    P256,
    P384,
    P521,
    RSA,
    WEAK,
    Refused,
    genuine,
    with_header,
)
from forgery.tokens import b64, compact, ec_key, encoded, jwk, jwk_set, signature, signed

from spire_bridge.spiffe.bundle import Bundle
from spire_bridge.spiffe.errors import InvalidSvid, UntrustedSvid
from spire_bridge.spiffe.jwt_svid import verify_jwt_svid

pytestmark = pytest.mark.usefixtures("nobody_is_called")


def test_the_token_that_all_others_are_made_from_is_good() -> None:
    assert verify_jwt_svid(genuine(), BUNDLES, "bridge", NOW).spiffe_id.path == "/web"
    other = signed(OTHER_KEY, HEADER, {**CLAIMS, "sub": "spiffe://other.org/web"})
    assert verify_jwt_svid(other, BUNDLES, "bridge", NOW).spiffe_id.trust_domain == OTHER


# Algorithms.


@pytest.mark.parametrize("name", ["none", "None", "NONE", "nOnE", "none ", "", "nonE\0"])
@pytest.mark.parametrize("sig", [b"", b"\0", b"\0" * 64])
def test_no_signature_at_all(refused: Refused, name: str, sig: bytes) -> None:
    refused(compact(with_header(alg=name), CLAIMS, sig))


@pytest.mark.parametrize("algorithm", ["ES256", "RS256", "PS256"])
@pytest.mark.parametrize("named", [True, False])
def test_an_empty_signature(refused: Refused, algorithm: str, named: bool) -> None:
    header = {"alg": algorithm}
    if named:
        header["kid"] = "p256" if algorithm == "ES256" else "rsa"
    refused(compact(header, CLAIMS, b""), UntrustedSvid)


PUBLIC_FORMS = [
    RSA.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo),
    RSA.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo),
    RSA.public_key().public_bytes(Encoding.PEM, PublicFormat.PKCS1),
    json.dumps(jwk(RSA, kid="rsa")).encode(),
    b"",
]


@pytest.mark.parametrize("secret", PUBLIC_FORMS, ids=range(len(PUBLIC_FORMS)))
@pytest.mark.parametrize("algorithm", ["HS256", "hs256", "RS256"])
def test_the_public_key_as_a_shared_secret(refused: Refused, secret: bytes, algorithm: str) -> None:
    header = {"alg": algorithm, "kid": "rsa"}
    mac = hmac.HMAC(secret or b"\0", hashes.SHA256())
    mac.update(f"{encoded(header)}.{encoded(CLAIMS)}".encode())
    kind = UntrustedSvid if algorithm == "RS256" else InvalidSvid
    refused(compact(header, CLAIMS, mac.finalize()), kind)


@pytest.mark.parametrize("algorithm", ["EdDSA", "Ed25519", "ES256K", "RS1", "ML-DSA-44"])
def test_algorithms_beyond_the_nine(refused: Refused, algorithm: str) -> None:
    key = ed25519.Ed25519PrivateKey.generate()
    header = with_header(alg=algorithm)
    data = f"{encoded(header)}.{encoded(CLAIMS)}".encode()
    refused(compact(header, CLAIMS, key.sign(data)))


@pytest.mark.parametrize("algorithm", [None, ["ES256"], {"alg": "ES256"}, 256, True])
def test_an_algorithm_that_is_no_name(refused: Refused, algorithm: object) -> None:
    refused(signed(P256, with_header(alg=algorithm), CLAIMS, "ES256"))


def test_a_header_without_algorithm(refused: Refused) -> None:
    refused(signed(P256, {"kid": "p256"}, CLAIMS, "ES256"))


MISMATCHES = [
    ("ES256", "p384", P384, "ES256"),
    ("ES384", "p256", P256, "ES384"),
    ("ES512", "p256", P256, "ES512"),
    ("ES256", "p521", P521, "ES256"),
    ("ES256", "p256", P256, "ES384"),
    ("RS256", "p256", P256, "ES256"),
    ("PS256", "p384", P384, "ES384"),
    ("ES256", "rsa", RSA, "RS256"),
    ("RS256", "rsa", RSA, "PS256"),
    ("PS256", "rsa", RSA, "RS256"),
    ("RS512", "rsa", RSA, "RS256"),
    ("PS384", "rsa", RSA, "PS256"),
]


@pytest.mark.parametrize(("claimed", "key_id", "key", "used"), MISMATCHES)
@pytest.mark.parametrize("named", [True, False])
def test_an_algorithm_that_does_not_fit_the_key(
    refused: Refused, claimed: str, key_id: str, key: Any, used: str, named: bool
) -> None:
    header = {"alg": claimed, **({"kid": key_id} if named else {})}
    refused(signed(key, header, CLAIMS, used), UntrustedSvid)


@pytest.mark.parametrize(
    ("key", "header"),
    [
        (WEAK, {"alg": "RS256", "kid": "weak"}),
        (WEAK, {"alg": "RS256"}),
        (ec_key(2), {"alg": "ES256", "kid": "off the curve"}),
        (ec_key(2), {"alg": "ES256"}),
    ],
)
def test_keys_that_were_left_out_of_the_bundle(refused: Refused, key: Any, header: Any) -> None:
    refused(signed(key, header, CLAIMS), UntrustedSvid)


# Signatures.

ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
SIGNED_DATA = f"{encoded(HEADER)}.{encoded(CLAIMS)}".encode()
GENUINE = signature(P256, "ES256", SIGNED_DATA)
R, S = GENUINE[:32], GENUINE[32:]

BAD_SIGNATURES = {
    "r = s = 0": bytes(64),
    "r = 0": bytes(32) + S,
    "s = 0": R + bytes(32),
    "r = order": ORDER.to_bytes(32) + S,
    "r = s = order": ORDER.to_bytes(32) * 2,
    "r = s = 1": (bytes(31) + b"\1") * 2,
    "all ones": b"\xff" * 64,
    "swapped": S + R,
    "DER": P256.sign(SIGNED_DATA, ec.ECDSA(hashes.SHA256())),
    "63 octets": GENUINE[:-1],
    "65 octets": GENUINE + b"\0",
    "leading zero": b"\0" + GENUINE,
    "zeros within": R + b"\0" + S,
    "twice": GENUINE * 2,
    "one half": R,
    "nothing": b"",
    "10 kB": b"\1" * 10_000,
    "one bit": GENUINE[:-1] + bytes([GENUINE[-1] ^ 1]),
    "another's": signature(ATTACKER, "ES256", SIGNED_DATA),
}


@pytest.mark.parametrize("sig", BAD_SIGNATURES.values(), ids=BAD_SIGNATURES.keys())
@pytest.mark.parametrize("header", [HEADER, {"alg": "ES256"}], ids=["kid", "no kid"])
def test_signatures_that_are_none(refused: Refused, sig: bytes, header: dict[str, Any]) -> None:
    refused(compact(header, CLAIMS, sig), UntrustedSvid)


@pytest.mark.parametrize("length", [0, 1, 255, 257, 512])
def test_rsa_signatures_of_another_length(refused: Refused, length: int) -> None:
    for algorithm in ("RS256", "PS256"):
        token = compact({"alg": algorithm, "kid": "rsa"}, CLAIMS, b"\1" * length)
        refused(token, UntrustedSvid)


def test_rsa_signatures_that_are_numbers_of_note(refused: Refused) -> None:
    modulus = RSA.public_key().public_numbers().n
    for number in (0, 1, modulus - 1, modulus):
        token = compact({"alg": "RS256", "kid": "rsa"}, CLAIMS, number.to_bytes(256))
        refused(token, UntrustedSvid)


def test_content_under_the_signature_of_another(refused: Refused) -> None:
    header, _, sig = genuine().split(".")
    admin = encoded({**CLAIMS, "sub": "spiffe://example.org/admin"})
    refused(f"{header}.{admin}.{sig}", UntrustedSvid)
    refused(f"{encoded({'alg': 'ES256'})}.{encoded(CLAIMS)}.{sig}", UntrustedSvid)


# Headers that bring or name a key of the attacker's.


@pytest.fixture
def listener() -> Iterator[str]:
    """A web server of the attacker's, by its URL; fails the test if anybody comes."""
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen()
        server.setblocking(False)
        yield f"http://127.0.0.1:{server.getsockname()[1]}/keys"
        with pytest.raises(BlockingIOError):
            server.accept()


@pytest.mark.parametrize("name", ["jku", "x5u", "jwks_uri", "iss"])
@pytest.mark.parametrize("key_id", [{"kid": "p256"}, {"kid": "attacker"}, {}], ids=repr)
def test_a_header_that_names_a_url(
    refused: Refused, listener: str, name: str, key_id: dict[str, str]
) -> None:
    refused(signed(ATTACKER, {"alg": "ES256", name: listener, **key_id}, CLAIMS))


def test_an_issuer_that_names_a_url(refused: Refused, listener: str) -> None:
    refused(signed(ATTACKER, HEADER, {**CLAIMS, "iss": listener}), UntrustedSvid)
    refused(signed(ATTACKER, {"alg": "ES256", "kid": listener}, CLAIMS), UntrustedSvid)


BROUGHT_ALONG = {
    "jwk": {"jwk": jwk(ATTACKER)},
    "jwk, named as ours": {"jwk": jwk(ATTACKER, kid="p256")},
    "x5c": {"x5c": [b64(der(certificate(public_key=ATTACKER.public_key())))]},
    "x5t": {"x5t": "AAAA"},
    "x5t#S256": {"x5t#S256": "AAAA"},
    "crit": {"crit": ["exp"]},
    "crit, empty": {"crit": []},
    "crit and b64": {"crit": ["b64"], "b64": False},
    "b64": {"b64": False},
    "b64 true": {"b64": True},
    "zip": {"zip": "DEF"},
    "nested": {"cty": "JWT"},
    "enc": {"enc": "A128GCM"},
    "epk": {"epk": jwk(ATTACKER)},
    "p2c": {"alg": "PBES2-HS256+A128KW", "p2c": 2**31, "p2s": "AAAA"},
}


@pytest.mark.parametrize("members", BROUGHT_ALONG.values(), ids=BROUGHT_ALONG.keys())
@pytest.mark.parametrize("key", [ATTACKER, P256], ids=["attacker's key", "our key"])
def test_a_header_that_asks_for_more(refused: Refused, members: Any, key: Any) -> None:
    """Refused even under a good signature: JWT-SVID, section 2."""
    refused(signed(key, with_header(**members), CLAIMS, "ES256"))


@pytest.mark.parametrize("kind", ["wit+jwt", "at+jwt", "jwt", "JWE", "", None, ["JWT"], {}, 1])
def test_a_token_of_another_type(refused: Refused, kind: object) -> None:
    refused(signed(P256, with_header(typ=kind), CLAIMS))


def test_a_wit_svid_is_no_bearer_token(refused: Refused) -> None:
    claims = {**CLAIMS, "cnf": {"jwk": jwk(ATTACKER)}}
    refused(signed(P256, with_header(typ="wit+jwt"), claims))


@pytest.mark.parametrize("use", ["x509-svid", "wit-svid"])
@pytest.mark.parametrize("header", [HEADER, {"alg": "ES256"}], ids=["kid", "no kid"])
def test_a_key_for_another_kind_of_svid(refused: Refused, use: str, header: Any) -> None:
    data = jwk_set(jwk(P256, kid="p256", use=use), jwk(RSA, kid="rsa", use="jwt-svid"))
    bundles = {HOME: Bundle.from_document(HOME, data).jwt}
    refused(signed(P256, header, CLAIMS), UntrustedSvid, bundles=bundles)


# Serializations.

JSON_FLATTENED = {"protected": encoded(HEADER), "payload": encoded(CLAIMS), "signature": "AA"}


@pytest.mark.parametrize(
    "token",
    [
        json.dumps(JSON_FLATTENED),
        json.dumps({"payload": encoded(CLAIMS), "signatures": [JSON_FLATTENED]}),
        ".".join(["eyJhbGciOiJkaXIiLCJlbmMiOiJBMTI4R0NNIn0", "", "AAAA", "AAAA", "AAAA"]),
        "",
        "..",
        "...",
        "null",
        genuine().rpartition(".")[0],
        genuine() + ".",
        genuine() + "=",
        genuine() + "\n",
        " " + genuine(),
        "Bearer " + genuine(),
        genuine().replace(".", "\uff0e"),
        genuine().replace(".", ".\u200b", 1),
        genuine()[:-1] + "\ud800",
        genuine() + "\0",
    ],
    ids=range(17),
)
def test_other_serializations(refused: Refused, token: str) -> None:
    refused(token)


def test_a_second_spelling_of_the_same_octets(refused: Refused) -> None:
    """The last character of 64 octets has 4 bits to spare; replay is detected by spelling."""
    token = genuine()
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    position = alphabet.index(token[-1])
    assert position % 16 == 0
    for spare in range(1, 16):
        refused(token[:-1] + alphabet[position + spare])


# Key IDs.


@pytest.mark.parametrize(
    "key_id",
    [
        *("", " ", "p256 ", "P256", "p256\n", "p256\0", "../p256", "/dev/null", "/etc/passwd"),
        *("p256' OR '1'='1", "p256;id", "$(id)", "file:///dev/null", "__class__", "a" * 9_000),
        *("\u0440256", "\ud7ff\U0010ffff", "{0.__class__}", "%s%n", "constructor"),
    ],
    ids=ascii,
)
def test_key_ids_that_name_no_key(refused: Refused, key_id: str) -> None:
    refused(signed(ATTACKER, with_header(kid=key_id), CLAIMS), UntrustedSvid)
    refused(signed(P256, with_header(kid=key_id), CLAIMS), UntrustedSvid)


@pytest.mark.parametrize("key_id", [None, 0, 256, True, 1.5, ["p256"], [], {}, {"kid": "p256"}])
def test_key_ids_that_are_no_names(refused: Refused, key_id: object) -> None:
    refused(signed(P256, with_header(kid=key_id), CLAIMS))


def test_a_key_id_of_10_kb_twice_over_is_too_large_a_token(refused: Refused) -> None:
    refused(signed(P256, with_header(kid="a" * 20_000), CLAIMS))
