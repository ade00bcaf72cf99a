"""An X.509-SVID, its key and its bundle as PEM files."""

from __future__ import annotations

from dataclasses import dataclass, field

from spire_bridge.credentials.authorities import authorities, unexpired
from spire_bridge.spiffe.x509_bundle import certificates_pem
from spire_bridge.spiffe.x509_svid import X509Svid
from spire_bridge.workload.messages import X509Context


@dataclass(frozen=True, slots=True)
class PemFiles:
    """Concatenated PEM, leaf first; the key is PKCS#8 and a secret."""

    certificates: bytes
    key: bytes = field(repr=False)
    bundle: bytes

    @property
    def combined(self) -> bytes:
        """Certificates and key in one file, as haproxy reads them: a secret."""
        return self.certificates + self.key


@dataclass(frozen=True, slots=True)
class PemOptions:
    """What stands where: intermediates beside the leaf or in the bundle, who else is trusted."""

    intermediates_in_bundle: bool = False
    federated: bool = False
    omit_expired: bool = False


def pem_files(svid: X509Svid, context: X509Context, options: PemOptions, *, now: float) -> PemFiles:
    """The bundle holds the authorities of the SVID's trust domain first.

    Then come the intermediates, if they stand there, and the federated ones by the name of
    their trust domain. `now`, in seconds since the epoch, decides on what has expired. Raises
    what `X509Context.bundle` raises.
    """
    moved = options.intermediates_in_bundle
    chain = svid.certificates[:1] if moved else svid.certificates
    trusted = authorities(svid, context, intermediates=moved, federated=options.federated)
    if options.omit_expired:
        chain, trusted = unexpired(chain, now), unexpired(trusted, now)
    return PemFiles(certificates_pem(chain), svid.private_key_pem(), certificates_pem(trusted))
