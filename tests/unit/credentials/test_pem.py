"""PEM files: what is in them, in which order, and what is missing if the bundle is."""

from __future__ import annotations

import ssl
import time
from dataclasses import replace
from pathlib import Path

import pytest
from credential_material import OTHER, x509_context
from cryptography import x509
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from spire_bridge.credentials.pem import PemFiles, PemOptions, pem_files
from spire_bridge.spiffe.errors import InvalidBundle
from spire_bridge.workload.messages import BundleSet, X509Context

NOW = time.time()


def files(context: X509Context, now: float = NOW, **options: bool) -> PemFiles:
    return pem_files(context.default_svid, context, PemOptions(**options), now=now)


def certificates(pem: bytes) -> tuple[x509.Certificate, ...]:
    return tuple(x509.load_pem_x509_certificates(pem))


def test_the_chain_the_key_and_the_bundle() -> None:
    context = x509_context(intermediate=True)
    svid, written = context.default_svid, files(context)
    assert certificates(written.certificates) == svid.certificates
    key = load_pem_private_key(written.key, password=None)
    assert key.public_key() == svid.leaf.public_key()
    own = context.bundles[svid.spiffe_id.trust_domain]
    assert certificates(written.bundle) == own.authorities


def test_intermediates_move_to_the_bundle() -> None:
    context = x509_context(intermediate=True)
    leaf, *intermediates = context.default_svid.certificates
    assert intermediates
    written = files(context, intermediates_in_bundle=True)
    assert certificates(written.certificates) == (leaf,)
    assert list(certificates(written.bundle)[1:]) == intermediates


def test_other_trust_domains_are_in_the_bundle_only_if_asked_for() -> None:
    context = x509_context(federated=True)
    foreign = context.bundles[OTHER].authorities
    assert not set(foreign) & set(certificates(files(context).bundle))
    assert certificates(files(context, federated=True).bundle)[-len(foreign) :] == foreign


def test_what_has_expired_is_left_out_only_if_asked_for() -> None:
    context = x509_context(expired=True)
    assert certificates(files(context).certificates)
    assert files(context, omit_expired=True).certificates == b""
    before = context.default_svid.expires_at.timestamp()
    assert certificates(files(context, before, omit_expired=True).certificates)


def test_one_file_for_haproxy_is_what_tls_loads(tmp_path: Path) -> None:
    file = tmp_path / "combined.pem"
    file.write_bytes(files(x509_context(intermediate=True)).combined)
    ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(file)


def test_the_pair_of_another_svid_is_not_loaded(tmp_path: Path) -> None:
    file = tmp_path / "mismatched.pem"
    mixed = replace(files(x509_context()), key=files(x509_context()).key)
    file.write_bytes(mixed.combined)
    with pytest.raises(ssl.SSLError):
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(file)


def test_the_key_is_in_no_repr() -> None:
    assert "PRIVATE KEY" not in repr(files(x509_context()))


def test_an_svid_without_its_bundle() -> None:
    context = x509_context()
    own = context.default_svid.spiffe_id.trust_domain
    refused = BundleSet({}, {own: InvalidBundle("not a list of DER certificates")})
    with pytest.raises(InvalidBundle, match="not a list of DER"):
        files(replace(context, bundles=refused))
