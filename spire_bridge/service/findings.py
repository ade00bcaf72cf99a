"""What verifiers are known to refuse, said in the log."""

from __future__ import annotations

import logging

from spire_bridge.cloud.issuer_url import check_issuer_url
from spire_bridge.issuer.url import IssuerUrl

_log = logging.getLogger(__name__)


def warn_of_refusals(issuer: IssuerUrl) -> None:
    """Logs a warning for each verifier that won't take this URL as an issuer's."""
    for finding in check_issuer_url(issuer):
        _log.warning(
            "a verifier will refuse this issuer",
            extra={"verifier": finding.verifier, "reason": finding.reason},
        )
