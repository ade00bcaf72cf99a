"""An X.509-SVID, its key and its bundle as PEM files."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime

from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import Certificate

from spire_bridge.spiffe.x509_svid import X509Svid
from spire_bridge.workload.messages import X509Context


@dataclass(frozen=True, slots=True)
class PemFiles:
    """Concatenated PEM, leaf first; the key is PKCS#8 and a secret."""

    certificates: bytes
    key: bytes = field(repr=False)
    bundle: bytes


@dataclass(frozen=True, slots=True)
class PemOptions:
    """What stands where: intermediates beside the leaf or in the bundle, who else is trusted."""

    intermediates_in_bundle: bool = False
    federated: bool = False
    omit_expired: bool = False


def pem_files(svid: X509Svid, context: X509Context, options: PemOptions, *, now: float) -> PemFiles:
    """The bundle holds the authorities of the SVID's trust domain first.

    Then come the intermediates, if they stand there, and the federated ones by the name of
    their trust domain. `now`, in seconds since the epoch, decides on what has expired.
    Raises what `X509Context.bundle` raises.
    """
    own = svid.spiffe_id.trust_domain
    leaf, *intermediates = svid.certificates
    chain, trusted = [leaf, *intermediates], list(context.bundle(own).authorities)
    if options.intermediates_in_bundle:
        chain, trusted = [leaf], [*trusted, *intermediates]
    if options.federated:
        for name in sorted(context.bundles, key=str):
            if name != own:
                trusted += context.bundles[name].authorities
    after = datetime.fromtimestamp(now, UTC) if options.omit_expired else None
    return PemFiles(_pem(chain, after), svid.private_key_pem(), _pem(trusted, after))


def _pem(certificates: Iterable[Certificate], after: datetime | None) -> bytes:
    return b"".join(
        certificate.public_bytes(Encoding.PEM)
        for certificate in certificates
        if after is None or certificate.not_valid_after_utc >= after
    )
