"""Google's workload identity federation: token exchange, impersonation, and lint."""

from __future__ import annotations

from spire_bridge.cloud.google.sts import TITLE, evaluate
from spire_bridge.cloud.google.trust import GoogleTrust, parse_trust

__all__ = ["TITLE", "GoogleTrust", "evaluate", "parse_trust"]
