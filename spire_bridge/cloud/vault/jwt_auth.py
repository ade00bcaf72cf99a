"""Vault's and OpenBao's JWT auth method: a model of its rules, made from its public source."""

from spire_bridge.cloud.vault.lint import lint
from spire_bridge.cloud.vault.login import TITLE, evaluate
from spire_bridge.cloud.vault.trust import VaultTrust, parse_trust

__all__ = ["TITLE", "VaultTrust", "evaluate", "lint", "parse_trust"]
