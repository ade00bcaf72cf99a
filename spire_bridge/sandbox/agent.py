"""What one agent remembers: bundles, X.509-SVIDs by entry, JWT-SVIDs by ID and audience."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from spire_bridge.sandbox.bundle import PublishedBundle
from spire_bridge.sandbox.entry import Entry
from spire_bridge.sandbox.jwt_authority import IssuedJwt, JwtAuthority
from spire_bridge.sandbox.x509_authority import IssuedX509, X509Authority


class Agent:
    """The memory of one agent.

    As in SPIRE, an SVID is replaced at half of its life, or when its key is tainted; until
    then a workload is handed the same one, also after another key has become active.
    (SPIRE spreads renewals by a tenth around half-life; here they are exact.)
    """

    def __init__(self, jwt: JwtAuthority, x509: X509Authority, bundle: PublishedBundle) -> None:
        self.jwt = jwt
        self.x509 = x509
        self._jwt_svids: dict[tuple[str, tuple[str, ...]], IssuedJwt] = {}
        self._x509_svids: dict[Entry, IssuedX509] = {}
        self.bundle = bundle
        self.federated: Mapping[str, PublishedBundle] = {}

    def synchronize(
        self, bundle: PublishedBundle, federated: Mapping[str, PublishedBundle]
    ) -> None:
        """Takes over the server's bundles and drops what tainted or revoked keys signed."""
        self.bundle, self.federated = bundle, federated
        self._jwt_svids = {
            i: s for i, s in self._jwt_svids.items() if s.key_id in bundle.sound_jwt_keys
        }
        self._x509_svids = {
            e: s for e, s in self._x509_svids.items() if s.authority_id in bundle.sound_x509_keys
        }

    def jwt_svid(self, entry: Entry, audience: Sequence[str]) -> str:
        key = entry.spiffe_id, tuple(sorted(audience))
        svid = self._jwt_svids.get(key)
        if svid is None or _is_past_half_life(svid, self.jwt.clock()):
            svid = self.jwt.issue(entry.spiffe_id, audience, entry.jwt_ttl_seconds)
            self._jwt_svids[key] = svid
        return svid.token

    def x509_svid(self, entry: Entry) -> IssuedX509:
        svid = self._x509_svids.get(entry)
        if svid is None:
            svid = self.x509.issue(entry.spiffe_id, entry.x509_ttl_seconds)
            self._x509_svids[entry] = svid
        return svid

    def renew(self) -> bool:
        """Drops X.509-SVIDs past half of their life; whether there were any."""
        now = self.x509.clock()
        aged = [e for e, s in self._x509_svids.items() if _is_past_half_life(s, now)]
        for entry in aged:
            del self._x509_svids[entry]
        return bool(aged)

    def forget(self, entries: Iterable[Entry]) -> None:
        """Drops what it holds for entries that no longer exist."""
        for entry in entries:
            self._x509_svids.pop(entry, None)
            for key in [k for k in self._jwt_svids if k[0] == entry.spiffe_id]:
                del self._jwt_svids[key]


def _is_past_half_life(svid: IssuedJwt | IssuedX509, now: float) -> bool:
    return now - svid.issued_at >= (svid.expires_at - svid.issued_at) / 2
