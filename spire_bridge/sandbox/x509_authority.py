"""The trust domain's certificate authorities, and the X.509-SVIDs that they sign."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from spire_bridge.sandbox.errors import SandboxError
from spire_bridge.sandbox.life_cycle import DEFAULT_TTL_SECONDS, Authority, AuthorityKey

# Certificates start a little in the past, for verifiers whose clocks are behind.
BACKDATE_SECONDS = 10


@dataclass(frozen=True, slots=True)
class X509Ca(AuthorityKey):
    """A self-signed root and, if the domain has intermediates, the CA below it."""

    root: x509.Certificate
    intermediate: x509.Certificate | None
    private_key: ec.EllipticCurvePrivateKey = field(repr=False)

    @property
    def issuer(self) -> x509.Certificate:
        """The certificate whose key is `private_key`: what leaves are signed by."""
        return self.intermediate or self.root


@dataclass(frozen=True, slots=True)
class IssuedX509:
    """An X.509-SVID: leaf first, then intermediates, without the root."""

    chain: tuple[x509.Certificate, ...]
    private_key: ec.EllipticCurvePrivateKey = field(repr=False)
    authority_id: str
    issued_at: int
    expires_at: int

    @property
    def chain_der(self) -> bytes:
        return b"".join(certificate_der(c) for c in self.chain)

    @property
    def key_der(self) -> bytes:
        """The private key, PKCS#8."""
        return self.private_key.private_bytes(
            serialization.Encoding.DER,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )


def certificate_der(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(serialization.Encoding.DER)


class X509Authority(Authority[X509Ca]):
    """Signs X.509-SVIDs below its active CA, with EC P-256 keys throughout.

    The ID of a key is its CA's subject key identifier in hexadecimal, as in SPIRE; with
    `intermediate`, leaves hang below an intermediate CA that is not in the bundle.
    """

    def __init__(
        self,
        clock: Callable[[], float],
        *,
        trust_domain_id: str,
        intermediate: bool = False,
        ttl_seconds: int = DEFAULT_TTL_SECONDS,
        on_change: Callable[[], None] = lambda: None,
    ) -> None:
        self._trust_domain_id = trust_domain_id
        self._with_intermediate = intermediate
        super().__init__(clock, ttl_seconds=ttl_seconds, on_change=on_change)

    def issue(
        self, spiffe_id: str, ttl_seconds: int, *, issued_at: int | None = None
    ) -> IssuedX509:
        """An X.509-SVID valid for `ttl_seconds`, at most until its CA expires."""
        ca = self.current
        if ca is None or ca.expires_at <= self.clock():
            raise SandboxError("the trust domain has no X.509 CA to sign with")
        start = int(self.clock()) if issued_at is None else issued_at
        expires_at = min(start + ttl_seconds, ca.expires_at)
        key = ec.generate_private_key(ec.SECP256R1())
        builder = (
            _template(key.public_key(), spiffe_id, start, expires_at)
            .subject_name(x509.Name([_ORGANIZATION]))
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(_LEAF_USAGE, critical=True)
            .add_extension(
                x509.ExtendedKeyUsage(
                    [ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH]
                ),
                critical=False,
            )
        )
        leaf = _signed(builder, ca.issuer, ca.private_key)
        chain = (leaf,) if ca.intermediate is None else (leaf, ca.intermediate)
        return IssuedX509(chain, key, ca.key_id, start, expires_at)

    def _generate(self, issued_at: int, expires_at: int) -> X509Ca:
        root_key = ec.generate_private_key(ec.SECP256R1())
        root = _ca(root_key, self._trust_domain_id, issued_at, expires_at)
        intermediate, signing_key = None, root_key
        if self._with_intermediate:
            signing_key = ec.generate_private_key(ec.SECP256R1())
            intermediate = _ca(
                signing_key, self._trust_domain_id, issued_at, expires_at, parent=(root, root_key)
            )
        authority_id = _key_identifier(root).hex()
        return X509Ca(authority_id, issued_at, expires_at, root, intermediate, signing_key)


_ORGANIZATION = x509.NameAttribute(NameOID.ORGANIZATION_NAME, "spire-bridge sandbox")


def _usage(*names: str) -> x509.KeyUsage:
    known = (
        "digital_signature",
        "content_commitment",
        "key_encipherment",
        "data_encipherment",
        "key_agreement",
        "key_cert_sign",
        "crl_sign",
        "encipher_only",
        "decipher_only",
    )
    return x509.KeyUsage(**{name: name in names for name in known})


_CA_USAGE = _usage("key_cert_sign", "crl_sign")
_LEAF_USAGE = _usage("digital_signature", "key_encipherment", "key_agreement")


def _ca(
    key: ec.EllipticCurvePrivateKey,
    trust_domain_id: str,
    issued_at: int,
    expires_at: int,
    parent: tuple[x509.Certificate, ec.EllipticCurvePrivateKey] | None = None,
) -> x509.Certificate:
    """A CA certificate, self-signed unless it has a parent."""
    identifier = x509.SubjectKeyIdentifier.from_public_key(key.public_key()).digest
    # Each CA has a name of its own, or chain building could take one for another.
    serial = x509.NameAttribute(NameOID.SERIAL_NUMBER, identifier.hex())
    builder = (
        _template(key.public_key(), trust_domain_id, issued_at, expires_at)
        .subject_name(x509.Name([_ORGANIZATION, serial]))
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .add_extension(_CA_USAGE, critical=True)
    )
    if parent is not None:
        return _signed(builder, *parent)
    return builder.issuer_name(x509.Name([_ORGANIZATION, serial])).sign(key, hashes.SHA256())


def _template(
    public_key: ec.EllipticCurvePublicKey, spiffe_id: str, issued_at: int, expires_at: int
) -> x509.CertificateBuilder:
    san = x509.SubjectAlternativeName([x509.UniformResourceIdentifier(spiffe_id)])
    return (
        x509.CertificateBuilder()
        .public_key(public_key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(datetime.fromtimestamp(issued_at - BACKDATE_SECONDS, UTC))
        .not_valid_after(datetime.fromtimestamp(expires_at, UTC))
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(public_key), critical=False)
        .add_extension(san, critical=False)
    )


def _signed(
    builder: x509.CertificateBuilder,
    issuer: x509.Certificate,
    issuer_key: ec.EllipticCurvePrivateKey,
) -> x509.Certificate:
    identifier = x509.AuthorityKeyIdentifier(_key_identifier(issuer), None, None)
    return (
        builder.issuer_name(issuer.subject)
        .add_extension(identifier, critical=False)
        .sign(issuer_key, hashes.SHA256())
    )


def _key_identifier(certificate: x509.Certificate) -> bytes:
    return certificate.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value.digest
