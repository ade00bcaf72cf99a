"""Which certificates vouch for the peers of an X.509-SVID, in what order. Pure."""

from __future__ import annotations

from datetime import UTC, datetime

from cryptography.x509 import Certificate

from spire_bridge.spiffe.x509_svid import X509Svid
from spire_bridge.workload.messages import X509Context


def authorities(
    svid: X509Svid, context: X509Context, *, intermediates: bool = False, federated: bool = False
) -> tuple[Certificate, ...]:
    """Those of the SVID's trust domain, then its intermediates, then the others' by their name.

    Raises what `X509Context.bundle` raises.
    """
    own = svid.spiffe_id.trust_domain
    found = [*context.bundle(own).authorities]
    if intermediates:
        found += svid.certificates[1:]
    if federated:
        for name in sorted(context.bundles, key=str):
            found += context.bundles[name].authorities if name != own else ()
    return tuple(found)


def unexpired(certificates: tuple[Certificate, ...], now: float) -> tuple[Certificate, ...]:
    """Those that are not over at `now`, in seconds since the epoch."""
    moment = datetime.fromtimestamp(now, UTC)
    return tuple(c for c in certificates if c.not_valid_after_utc >= moment)
