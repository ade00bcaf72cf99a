"""Certificates in concatenated DER, as the Workload API sends them."""

from __future__ import annotations

import contextlib

import pytest
from cryptography import x509
from forgery.certificates import LEAF, SIGNING, certificate, der, with_version
from hypothesis import given
from hypothesis import strategies as st

from spire_bridge.spiffe.errors import InvalidBundle
from spire_bridge.spiffe.id import TrustDomain
from spire_bridge.spiffe.x509_bundle import X509Bundle, load_certificate, parse_der_certificates

HERE = TrustDomain("example.org")
ONE, TWO = certificate(SIGNING), certificate(LEAF)


@pytest.mark.parametrize("certificates", [(), (ONE,), (ONE, TWO), (TWO, ONE, TWO)])
def test_certificates_stand_one_after_another(certificates: tuple[x509.Certificate, ...]) -> None:
    assert X509Bundle.from_der(HERE, der(*certificates)) == X509Bundle(HERE, certificates)


def test_pem_is_what_other_software_reads() -> None:
    pem = X509Bundle(HERE, (ONE, TWO)).pem()
    assert x509.load_pem_x509_certificates(pem) == [ONE, TWO]
    assert X509Bundle(HERE).pem() == b""


REFUSED = {
    "one octet": b"\x30",
    "no sequence": b"\x02\x01\x05",
    "empty sequence": b"\x30\x00",
    "indefinite length": b"\x30\x80" + der(ONE)[4:] + b"\0\0",
    "length without octets": b"\x30\x82",
    "length of 5 octets": b"\x30\x85\0\0\0\0\0",
    "length of 127 octets": b"\x30\xff" + b"\xff" * 127,
    "beyond the end": b"\x30\x82\xff\xff" + der(ONE)[4:],
    "cut short": der(ONE)[:-1],
    "trailing octet": der(ONE) + b"\0",
    "trailing sequence": der(ONE) + b"\x30\x00",
    "second cut short": der(ONE, TWO)[:-1],
    "length not minimal": b"\x30\x83\0" + der(ONE)[2:],
    "PEM": X509Bundle(HERE, (ONE,)).pem(),
    "version 4": with_version(der(ONE), 3),
    "version 6": with_version(der(ONE), 5),
}


@pytest.mark.parametrize("data", REFUSED.values(), ids=REFUSED.keys())
def test_anything_else_is_refused(data: bytes) -> None:
    with pytest.raises(InvalidBundle, match=r"example\.org is not a list of DER"):
        X509Bundle.from_der(HERE, data)


@pytest.mark.parametrize("data", [der(ONE, TWO), b"", b"\x30\x00", with_version(der(ONE), 5)])
def test_one_certificate_is_exactly_one(data: bytes) -> None:
    with pytest.raises(ValueError, match=r"\w"):
        load_certificate(data)


# The library accepts a serial number of zero for now, with a warning.
@pytest.mark.filterwarnings("ignore::cryptography.utils.CryptographyDeprecationWarning")
@given(
    st.binary()
    | st.binary().map(b"\x30".__add__)
    | st.integers(0, len(der(ONE)) - 1).map(lambda cut: der(ONE, TWO)[cut:])
    | st.tuples(st.integers(0, 60), st.integers(0, 255)).map(
        lambda change: der(ONE)[: change[0]] + bytes([change[1]]) + der(ONE)[change[0] + 1 :]
    )
)
def test_no_bytes_raise_anything_else(data: bytes) -> None:
    with contextlib.suppress(InvalidBundle):
        assert X509Bundle.from_der(HERE, data).trust_domain == HERE
    with contextlib.suppress(ValueError):
        parse_der_certificates(data)
