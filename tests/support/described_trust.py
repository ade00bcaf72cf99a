"""Descriptions of workloads for `trust generate`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from spire_bridge.config.yaml import parse
from spire_bridge.service.settings.trust import TrustSettings

EXAMPLE = Path(__file__).parents[2] / "conf" / "trust.yaml"
GOLDEN = Path(__file__).parents[1] / "unit" / "cloud" / "golden"

SECTIONS: dict[str, Any] = {
    "aws": {"account": "123456789012"},
    "gcp": {"project": "acme-prod", "project_number": "987654321098"},
    "azure": {},
    "vault": {"audience": "vault"},
    "kubernetes": {"audience": "kubernetes"},
}
ACCESS: dict[str, Any] = {
    "aws": {"role": "api"},
    "gcp": {"service_account": "api@acme-prod.iam.gserviceaccount.com"},
    "azure": {"application": "api"},
    "vault": {"role": "api", "policies": ["api"]},
    "kubernetes": {"groups": ["api"]},
}
API = "spiffe://example.org/payments/api"


def workload(*targets: str, **changes: Any) -> dict[str, Any]:
    """A workload that becomes something at these targets."""
    who = {} if changes.keys() & {"spiffe_ids", "spiffe_ids_below"} else {"spiffe_id": API}
    return {**who, **{target: ACCESS[target] for target in targets}, **changes}


def description(*workloads: dict[str, Any], **changes: Any) -> dict[str, Any]:
    """Workloads, with the sections that they need."""
    return {
        "issuer": "https://issuer.example.org",
        "trust_domain": "example.org",
        **{t: section for t, section in SECTIONS.items() if any(t in w for w in workloads)},
        "workloads": list(workloads),
        **changes,
    }


def described(*workloads: dict[str, Any], **changes: Any) -> TrustSettings:
    """Raises `InvalidConfig`."""
    text = json.dumps(description(*workloads, **changes), indent=1)
    return parse(text.encode(), TrustSettings, name="trust.yaml")
