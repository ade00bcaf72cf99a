"""Microsoft Entra's federated identity credentials: their rules, and lint."""

from __future__ import annotations

from spire_bridge.cloud.entra.federation import TITLE, evaluate
from spire_bridge.cloud.entra.trust import EntraTrust, parse_trust

__all__ = ["TITLE", "EntraTrust", "evaluate", "parse_trust"]
