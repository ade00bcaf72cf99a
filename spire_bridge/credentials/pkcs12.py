"""Key stores and trust stores for Java, in PKCS#12 (RFC 7292). Pure but for the salt.

Each rendering differs by its random salt: compare what goes in, not what comes out.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum
from typing import ClassVar

from cryptography import x509
from cryptography.hazmat.primitives.hashes import SHA1, SHA256
from cryptography.hazmat.primitives.serialization import (
    KeySerializationEncryption,
    PrivateFormat,
    pkcs12,
)

from spire_bridge.credentials.authorities import authorities, unexpired
from spire_bridge.credentials.errors import InvalidOutput, RenderFailure
from spire_bridge.spiffe.x509_svid import X509Svid
from spire_bridge.workload.messages import X509Context

# Java's own number; the password is to be a random one all the same.
_ITERATIONS = 10_000
_MIN_PASSWORD = 6  # characters, below which keytool refuses to change a store


class StoreEncryption(Enum):
    """AES is read by Java from 8u301 and 11.0.12 on; TRIPLE_DES by all that are older."""

    AES = "aes256-sha256"
    TRIPLE_DES = "3des-sha1"


@dataclass(frozen=True, slots=True)
class KeyStore:
    """The SVID's key and chain under `alias`; the key has the store's password."""

    is_secret: ClassVar[bool] = True

    password: str = field(repr=False)
    alias: str = "spiffe"
    encryption: StoreEncryption = StoreEncryption.AES

    def __post_init__(self) -> None:
        _check(self.password, self.alias)

    def __call__(self, svid: X509Svid) -> bytes:
        return pkcs12.serialize_key_and_certificates(
            self.alias.encode(),
            svid.private_key,
            svid.leaf,
            svid.certificates[1:] or None,
            _encryption(self.password, self.encryption),
        )


@dataclass(frozen=True, slots=True)
class TrustStore:
    """The authorities as trusted certificates, which Java tells by an attribute of its own.

    The first is `alias`-0, and so on. `federated` adds the other trust domains': whoever reads
    it lets each of them vouch for every name.
    """

    is_secret: ClassVar[bool] = False

    password: str = field(repr=False)
    alias: str = "authority"
    encryption: StoreEncryption = StoreEncryption.AES
    federated: bool = False
    omit_expired: bool = False

    def __post_init__(self) -> None:
        _check(self.password, self.alias)

    def __call__(self, svid: X509Svid, context: X509Context, *, now: float) -> bytes:
        """The store to verify the SVID's peers with. Raises `RenderFailure`.

        `now`, in seconds since the epoch, decides on what has expired.
        """
        found = authorities(svid, context, federated=self.federated)
        if self.omit_expired:
            found = unexpired(found, now)
        if not found:
            raise RenderFailure(
                "there is no authority to put into the trust store",
                hint="Java takes no empty one; keep the last good store, or look at the bundle",
            )
        entries = [self._entry(number, certificate) for number, certificate in enumerate(found)]
        encryption = _encryption(self.password, self.encryption)
        return pkcs12.serialize_java_truststore(entries, encryption)

    def _entry(self, number: int, certificate: x509.Certificate) -> pkcs12.PKCS12Certificate:
        return pkcs12.PKCS12Certificate(certificate, f"{self.alias}-{number}".encode())


def _check(password: str, alias: str) -> None:
    if len(password) < _MIN_PASSWORD or not (password.isascii() and password.isprintable()):
        raise InvalidOutput(
            f"a store's password has at least {_MIN_PASSWORD} characters, all of ASCII",
            hint="openssl rand -hex 16",
        )
    if not alias or not alias.isprintable():
        raise InvalidOutput("a store's alias is a name of printable characters")


def _encryption(password: str, encryption: StoreEncryption) -> KeySerializationEncryption:
    builder = PrivateFormat.PKCS12.encryption_builder().kdf_rounds(_ITERATIONS)
    if encryption is StoreEncryption.AES:
        builder = builder.key_cert_algorithm(pkcs12.PBES.PBESv2SHA256AndAES256CBC)
        builder = builder.hmac_hash(SHA256())
    else:
        builder = builder.key_cert_algorithm(pkcs12.PBES.PBESv1SHA1And3KeyTripleDESCBC)
        builder = builder.hmac_hash(SHA1())  # noqa: S303 - what old versions of Java read
    return builder.build(password.encode())
