"""What Google can answer instead of an access token, and what can't be asked of it."""

from __future__ import annotations

from spire_bridge.errors import EXIT_USAGE, BridgeError


class InvalidGoogleSetting(BridgeError):
    """A provider, service account or source that Google's SDKs or endpoints don't take."""

    code = "GOOGLE_SETTING_INVALID"
    exit_status = EXIT_USAGE


class GoogleRefused(BridgeError):
    """Google says no. `clause` is the rule of `cloud.google` that did, empty if unknown."""

    code = "GOOGLE_REFUSED"

    def __init__(self, message: str, *, clause: str = "", hint: str | None = None) -> None:
        super().__init__(message, hint=hint)
        self.clause = clause


class UnexpectedGoogleAnswer(BridgeError):
    """What came back is neither a token nor an error of Google's."""

    code = "GOOGLE_ANSWER_UNEXPECTED"
