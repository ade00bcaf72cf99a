"""What verifiers are known to refuse: in the log once, and at hand while it holds."""

from __future__ import annotations

import logging
from collections.abc import Iterable

from spire_bridge.cloud.finding import Finding
from spire_bridge.cloud.issuer_url import check_issuer_url
from spire_bridge.cloud.key_set import check_key_set
from spire_bridge.issuer.url import IssuerUrl
from spire_bridge.service.issuing.edition import Edition

_log = logging.getLogger(__name__)


class Findings:
    """The findings about one issuer; each is logged when it comes up."""

    def __init__(self, issuer: str, urls: Iterable[IssuerUrl]) -> None:
        self._issuer = issuer
        self._of_urls = frozenset(finding for url in urls for finding in check_issuer_url(url))
        self._of_keys: frozenset[Finding] = frozenset()
        self._warn("a verifier will refuse this issuer", self._of_urls)

    @property
    def current(self) -> tuple[Finding, ...]:
        """In a stable order."""
        return tuple(sorted(self._of_urls | self._of_keys))

    def note(self, edition: Edition) -> None:
        """Checks what is published from now on."""
        found = frozenset(
            finding
            for _, documents in edition.documents
            for finding in check_key_set(edition.key_set, documents)
        )
        self._warn("a verifier will refuse keys", found - self._of_keys)
        self._of_keys = found

    def _warn(self, message: str, findings: Iterable[Finding]) -> None:
        for finding in sorted(findings):
            _log.warning(
                message,
                extra={
                    "issuer": self._issuer,
                    "verifier": finding.verifier,
                    "reason": finding.reason,
                },
            )
