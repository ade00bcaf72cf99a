"""What Vault can answer instead of a token."""

from __future__ import annotations

from spire_bridge.credentials.retrying import TryAgain
from spire_bridge.errors import EXIT_USAGE, BridgeError


class VaultRefused(BridgeError):
    """Vault says no. `clause` is the rule of `cloud.vault.login` that did, empty if unknown."""

    code = "VAULT_REFUSED"

    def __init__(self, message: str, *, clause: str = "", hint: str | None = None) -> None:
        super().__init__(message, hint=hint)
        self.clause = clause


class InvalidVaultRequest(BridgeError):
    """An address, mount, role or namespace that nothing can be asked with."""

    code = "VAULT_REQUEST_INVALID"
    exit_status = EXIT_USAGE


class UnexpectedVaultAnswer(BridgeError):
    """What came back is neither a token nor an error of Vault's."""

    code = "VAULT_ANSWER_UNEXPECTED"


class VaultAway(TryAgain):
    """Vault is sealed, in standby, overloaded or in trouble."""

    code = "VAULT_UNAVAILABLE"
