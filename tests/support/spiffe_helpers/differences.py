"""The deliberate differences from spiffe-helper."""

from __future__ import annotations

import json
from typing import Any

from discovery_providers.programs import ROOT

FILE = ROOT / "docs" / "helper-differences.json"
ENTRIES: dict[str, dict[str, Any]] = {entry["id"]: entry for entry in json.loads(FILE.read_text())}


def deliberate(difference: str) -> bool:
    """Has the test that shows a difference fail if it is not written down."""
    return bool(ENTRIES[difference])
