"""X.509-SVIDs (X509-SVID, sections 2 to 5.2), rule by rule."""

from __future__ import annotations

import contextlib
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import dsa, ed25519, x25519
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    PrivateFormat,
    load_pem_private_key,
)
from forgery.certificates import (
    LEAF,
    LEAF_KEY,
    SERVER,
    SIGNING,
    certificate,
    der,
    pkcs8,
    with_version,
)
from forgery.tokens import ec_key, rsa_key
from hypothesis import given
from hypothesis import strategies as st

from spire_bridge.spiffe.errors import InvalidSvid
from spire_bridge.spiffe.x509_svid import X509Svid, leaf_spiffe_id

URI, DNS = x509.UniformResourceIdentifier, x509.DNSName
WEB = URI("spiffe://example.org/web")
SAN, KEY_USAGE = x509.SubjectAlternativeName.oid, x509.KeyUsage.oid

ACCEPTED = {
    "plain": LEAF,
    # Section 2: any number of other names.
    "other names": replace(LEAF, names=(DNS("a.example.org"), WEB, x509.RFC822Name("a@b.c"))),
    # Section 4.1: absent is false, by RFC 5280's default.
    "no basic constraints": replace(LEAF, ca=None),
    # Section 4.3: what a leaf may also do.
    "key encipherment": replace(LEAF, usages=("digital_signature", "key_encipherment")),
    "key agreement": replace(LEAF, usages=("digital_signature", "key_agreement")),
    # Rules for issuers, which section 5.2 does not make validators enforce.
    "usages not critical": replace(LEAF, usages_critical=False),
    "no purposes": replace(LEAF, purposes=None),
    "one purpose": replace(LEAF, purposes=(SERVER,)),
}

REFUSED = {
    # Section 2: exactly one URI.
    "no names": (replace(LEAF, uris=()), "lacks a URI name"),
    "no URI": (replace(LEAF, names=(DNS("example.org"),)), "0 URI names"),
    "two SPIFFE IDs": (
        replace(LEAF, uris=("spiffe://example.org/a", "spiffe://example.org/b")),
        "2 URI names",
    ),
    "the same twice": (replace(LEAF, uris=("spiffe://example.org/a",) * 2), "2 URI names"),
    "another URI": (
        replace(LEAF, uris=("spiffe://example.org/a", "https://example.org")),
        "2 URI names",
    ),
    # Section 3.1 and 5.2: a SPIFFE ID with a path.
    "no path": (replace(LEAF, uris=("spiffe://example.org",)), "has no path"),
    "lone slash": (replace(LEAF, uris=("spiffe://example.org/",)), "trailing slash"),
    "other scheme": (replace(LEAF, uris=("https://example.org/web",)), "does not start"),
    "upper case": (replace(LEAF, uris=("spiffe://EXAMPLE.org/web",)), "has characters"),
    "newline": (replace(LEAF, uris=("spiffe://example.org/web\n",)), "has characters"),
    "NUL": (replace(LEAF, uris=("spiffe://example.org/web\0.evil",)), "has characters"),
    "port": (replace(LEAF, uris=("spiffe://example.org:1/web",)), "has characters"),
    # Sections 3.2, 4.1, 5.2: no signing certificate.
    "CA": (replace(LEAF, ca=True), "signing certificate"),
    "signing": (replace(SIGNING, uris=LEAF.uris), "signing certificate"),
    # Section 4.3.
    "no key usage": (replace(LEAF, usages=None), "key usage"),
    "keyCertSign": (replace(LEAF, usages=("digital_signature", "key_cert_sign")), "signing"),
    "cRLSign": (replace(LEAF, usages=("digital_signature", "crl_sign")), "signing"),
    "no digitalSignature": (replace(LEAF, usages=("key_encipherment",)), "digitalSignature"),
    "no usage at all": (replace(LEAF, usages=("key_agreement",)), "digitalSignature"),
}


@pytest.mark.parametrize("extensions", ACCEPTED.values(), ids=ACCEPTED.keys())
def test_leaves_that_keep_the_rules(extensions: Any) -> None:
    assert str(leaf_spiffe_id(certificate(extensions))) == "spiffe://example.org/web"


@pytest.mark.parametrize(("extensions", "reason"), REFUSED.values(), ids=REFUSED.keys())
def test_leaves_that_break_a_rule(extensions: Any, reason: str) -> None:
    leaf = certificate(extensions)
    with pytest.raises(InvalidSvid, match=reason):
        leaf_spiffe_id(leaf)
    with pytest.raises(InvalidSvid, match=reason):
        X509Svid.from_der(der(leaf), pkcs8())


@pytest.mark.parametrize(
    "name",
    [
        bytes.fromhex("3004a3023000"),  # x400Address
        bytes.fromhex("3004a5023000"),  # ediPartyName
        bytes.fromhex("30038601ff"),  # a URI that is not ASCII
        bytes.fromhex("3000"),
        bytes.fromhex("308001"),
        b"",
    ],
    ids=bytes.hex,
)
def test_names_that_cannot_be_read(name: bytes) -> None:
    leaf = certificate(replace(LEAF, uris=()), extra=[(SAN, name)])
    with pytest.raises(InvalidSvid):
        leaf_spiffe_id(leaf)
    with pytest.raises(InvalidSvid):
        X509Svid.from_der(der(leaf), pkcs8())


def test_key_usage_that_cannot_be_read() -> None:
    leaf = certificate(replace(LEAF, usages=None), extra=[(KEY_USAGE, b"\x04\x00")])
    with pytest.raises(InvalidSvid):
        leaf_spiffe_id(leaf)


def test_an_svid_is_read() -> None:
    leaf, intermediate = certificate(), certificate(SIGNING, public_key=ec_key(3).public_key())
    svid = X509Svid.from_der(der(leaf, intermediate), pkcs8(), hint="internal")
    assert str(svid.spiffe_id) == "spiffe://example.org/web"
    assert svid.certificates == (leaf, intermediate)
    assert svid.leaf == leaf
    assert svid.hint == "internal"
    assert svid.expires_at == datetime(2026, 1, 1, tzinfo=UTC)
    assert x509.load_pem_x509_certificates(svid.chain_pem()) == [leaf, intermediate]
    key = load_pem_private_key(svid.private_key_pem(), None)
    assert key.public_key() == leaf.public_key()


@pytest.mark.parametrize(
    "key", [rsa_key(), ec_key(5, "P-384"), ed25519.Ed25519PrivateKey.generate()]
)
def test_keys_of_every_usual_kind(key: Any) -> None:
    svid = X509Svid.from_der(der(certificate(public_key=key.public_key())), pkcs8(key))
    assert svid.private_key.public_key() == key.public_key()


INTERMEDIATES = {
    "leaf": LEAF,
    # Section 3.2: both keyCertSign and the cA flag; section 4.3: key usage on all.
    "no cA": replace(SIGNING, ca=False),
    "no basic constraints": replace(SIGNING, ca=None),
    "no keyCertSign": replace(SIGNING, usages=("crl_sign",)),
    "no key usage": replace(SIGNING, usages=None),
}


@pytest.mark.parametrize("extensions", INTERMEDIATES.values(), ids=INTERMEDIATES.keys())
def test_every_other_certificate_is_a_signing_one(extensions: Any) -> None:
    for chain in (
        der(certificate(), certificate(extensions)),
        der(certificate(), certificate(SIGNING), certificate(extensions)),
    ):
        with pytest.raises(InvalidSvid, match="intermediate"):
            X509Svid.from_der(chain, pkcs8())


@pytest.mark.parametrize("uris", [(), ("spiffe://example.org/",), ("spiffe://upstream.org",)])
def test_an_intermediate_need_not_be_an_svid(uris: tuple[str, ...]) -> None:
    """Section 3.2 says SHOULD; the specification's own example has a lone slash there."""
    chain = der(certificate(), certificate(replace(SIGNING, uris=uris)))
    assert X509Svid.from_der(chain, pkcs8())


def test_an_intermediate_that_cannot_be_read() -> None:
    broken = certificate(replace(SIGNING, uris=()), extra=[(SAN, bytes.fromhex("3004a3023000"))])
    with pytest.raises(InvalidSvid, match="intermediate"):
        X509Svid.from_der(der(certificate(), broken), pkcs8())


DSA = dsa.generate_private_key(1024)
KEYS = {
    "another key": pkcs8(ec_key(9)),
    "another kind": pkcs8(rsa_key()),
    "no signing key": pkcs8(x25519.X25519PrivateKey.generate()),
    "DSA": pkcs8(DSA),
    "empty": b"",
    "garbage": b"0\x03\x02\x01\x00",
    "PEM": LEAF_KEY.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"x")),
    "encrypted": LEAF_KEY.private_bytes(
        Encoding.DER, PrivateFormat.PKCS8, BestAvailableEncryption(b"x")
    ),
}


@pytest.mark.parametrize("key", KEYS.values(), ids=KEYS.keys())
def test_a_key_that_is_not_the_leaf_s_is_refused(key: bytes) -> None:
    with pytest.raises(InvalidSvid):
        X509Svid.from_der(der(certificate()), key)


def test_dsa_is_no_key_of_an_svid() -> None:
    with pytest.raises(InvalidSvid):
        X509Svid.from_der(der(certificate(public_key=DSA.public_key())), pkcs8(DSA))


P256, EC_KEY = bytes.fromhex("06082a8648ce3d030107"), bytes.fromhex("06072a8648ce3d0201")
CHAINS = {
    "empty": b"",
    "garbage": b"garbage",
    "unknown version": with_version(der(certificate()), 5),
    "unknown curve": der(certificate()).replace(P256, P256[:-1] + b"\x09"),
    "unknown kind of key": der(certificate()).replace(EC_KEY, EC_KEY[:-1] + b"\x09"),
    "second cut short": der(certificate(), certificate(SIGNING))[:-1],
}


@pytest.mark.parametrize("chain", CHAINS.values(), ids=CHAINS.keys())
def test_a_chain_that_cannot_be_read_is_refused(chain: bytes) -> None:
    with pytest.raises(InvalidSvid):
        X509Svid.from_der(chain, pkcs8())


def test_the_private_key_is_in_no_representation() -> None:
    svid = X509Svid.from_der(der(certificate()), pkcs8())
    assert "private_key" not in repr(svid)
    assert "EllipticCurve" not in repr(svid)


def test_a_key_is_in_no_error() -> None:
    key = pkcs8()[:-3]
    with pytest.raises(InvalidSvid) as caught:
        X509Svid.from_der(der(certificate()), key)
    error: BaseException | None = caught.value
    while error is not None:
        assert not any(isinstance(part, bytes) for part in error.args)
        assert key.hex()[-20:] not in repr(error)
        error = error.__cause__ or error.__context__


DER = der(certificate(), certificate(SIGNING))


@pytest.mark.filterwarnings("ignore::cryptography.utils.CryptographyDeprecationWarning")
@given(st.integers(0, len(DER) - 1), st.integers(0, 255))
def test_no_changed_octet_raises_anything_else(position: int, octet: int) -> None:
    changed = DER[:position] + bytes([octet]) + DER[position + 1 :]
    with contextlib.suppress(InvalidSvid):
        X509Svid.from_der(changed, pkcs8())


@given(st.binary(), st.binary())
def test_no_bytes_raise_anything_else(chain: bytes, key: bytes) -> None:
    for pair in ((chain, key), (DER, key), (chain, pkcs8())):
        with pytest.raises(InvalidSvid):
            X509Svid.from_der(*pair)
