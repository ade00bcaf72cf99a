"""Everything that an operator may want to know of a running issuer, as JSON."""

from __future__ import annotations

from typing import Any

from spire_bridge.service.issuing.served_issuer import ServedIssuer


def issuer_status(issuer: ServedIssuer, now: float) -> dict[str, Any]:
    """One issuer: its verdict and sources as in /readyz, its documents, keys and findings."""
    edition = issuer.edition
    published: dict[str, Any] = {}
    if edition is not None:
        documents = edition.documents[0][1]
        published = {
            "sequence": edition.bundle.sequence,
            "cache_seconds": documents.cache_seconds,
            "jwks_bytes": len(documents.jwks.body),
            "jwks_etag": documents.jwks.etag.strip('"'),
            "algorithms": list(edition.key_set.algorithms()),
        }
    return {
        **issuer.readiness().to_json(now),
        "urls": [url.text for url in issuer.urls],
        "documents": published,
        "changes": issuer.changes,
        "key_history": [record.to_json() for record in issuer.keys.records()],
        "findings": [
            {"verifier": f.verifier, "reason": f.reason, "source": f.source}
            for f in issuer.findings.current
        ],
    }
