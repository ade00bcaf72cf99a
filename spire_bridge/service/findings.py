"""What verifiers are known to refuse, said in the log."""

from __future__ import annotations

import logging
from collections.abc import Iterable

from spire_bridge.cloud.finding import Finding
from spire_bridge.cloud.issuer_url import check_issuer_url
from spire_bridge.cloud.key_set import check_key_set
from spire_bridge.issuer.documents import Documents
from spire_bridge.issuer.key_set import KeySet
from spire_bridge.issuer.url import IssuerUrl

_log = logging.getLogger(__name__)


def warn_of_refusals(issuer: IssuerUrl) -> None:
    """Logs a warning for each verifier that won't take this URL as an issuer's."""
    _warn("a verifier will refuse this issuer", check_issuer_url(issuer))


class KeySetFindings:
    """Logs what verifiers will refuse of a key set, each finding once while it holds."""

    def __init__(self) -> None:
        self._known: frozenset[Finding] = frozenset()

    def note(self, key_set: KeySet, documents: Documents) -> None:
        found = check_key_set(key_set, documents)
        _warn("a verifier will refuse keys", (f for f in found if f not in self._known))
        self._known = frozenset(found)


def _warn(message: str, findings: Iterable[Finding]) -> None:
    for finding in findings:
        _log.warning(message, extra={"verifier": finding.verifier, "reason": finding.reason})
