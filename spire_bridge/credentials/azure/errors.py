"""What Entra can answer instead of a token, and what can't be asked of it."""

from __future__ import annotations

from spire_bridge.credentials.retrying import TryAgain
from spire_bridge.errors import EXIT_USAGE, BridgeError


class InvalidAzureSetting(BridgeError):
    """A tenant, client, scope or authority that Entra and its SDKs don't take."""

    code = "AZURE_SETTING_INVALID"
    exit_status = EXIT_USAGE


class EntraRefused(BridgeError):
    """Entra says no. `clause` is the rule of `cloud.entra` that did, empty if unknown."""

    code = "ENTRA_REFUSED"

    def __init__(self, message: str, *, clause: str = "", hint: str | None = None) -> None:
        super().__init__(message, hint=hint)
        self.clause = clause


class UnexpectedEntraAnswer(BridgeError):
    """What came back is neither a token nor an error of Entra's."""

    code = "ENTRA_ANSWER_UNEXPECTED"


class EntraAway(TryAgain):
    """Too many calls, or trouble of Entra's own."""

    code = "ENTRA_UNAVAILABLE"
