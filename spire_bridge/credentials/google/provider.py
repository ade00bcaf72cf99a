"""A workload identity pool provider by its name, and where Google is asked about it."""

from __future__ import annotations

import re

from spire_bridge.credentials.google.errors import InvalidGoogleSetting
from spire_bridge.value import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Self

DEFAULT_UNIVERSE = "googleapis.com"
MIN_LIFETIME_SECONDS = 600
MAX_LIFETIME_SECONDS = 43_200

_PREFIX = "//iam.googleapis.com/"
_ID = r"[a-z0-9-]{4,32}"
# Texts, so that only what is looked at is compiled.
_NAME = rf"projects/[0-9]{{1,20}}/locations/global/workloadIdentityPools/{_ID}/providers/{_ID}"
_UNIVERSE = r"[a-z0-9-]{1,63}(\.[a-z0-9-]{1,63})+"
_EMAIL = r"[A-Za-z0-9._-]{1,64}@[a-z0-9.-]{1,253}"


class Provider(Value):
    """`audience` names it in a token exchange; the project is named by its number there."""

    audience: str

    @classmethod
    def parse(cls, name: str) -> Self:
        """From its full name, with or without `https:` and `//iam.googleapis.com/`.

        Raises `InvalidGoogleSetting`.
        """
        short = name.removeprefix("https:").removeprefix(_PREFIX)
        if not re.fullmatch(_NAME, short):
            raise InvalidGoogleSetting(
                "that is no full name of a workload identity pool provider",
                hint="projects/NUMBER/locations/global/workloadIdentityPools/POOL/providers/NAME,"
                " with the project's number and not its ID",
            )
        return cls(_PREFIX + short)

    @property
    def token_audience(self) -> str:
        """The audience of tokens that it takes as long as it has no list of allowed ones."""
        return f"https:{self.audience}"


class ServiceAccount(Value):
    """Whom to impersonate, and for how long; None is Google's default, an hour.

    More than an hour needs an organisation policy. Raises `InvalidGoogleSetting`.
    """

    email: str
    lifetime_seconds: int | None = None

    def _check(self) -> None:
        if not re.fullmatch(_EMAIL, self.email):
            raise InvalidGoogleSetting(
                "that is no e-mail address of a service account",
                hint="NAME@PROJECT.iam.gserviceaccount.com",
            )
        seconds = self.lifetime_seconds
        if seconds is not None and not MIN_LIFETIME_SECONDS <= seconds <= MAX_LIFETIME_SECONDS:
            raise InvalidGoogleSetting(
                f"an impersonated token can't last {seconds} s",
                hint=f"from {MIN_LIFETIME_SECONDS} s to {MAX_LIFETIME_SECONDS} s (12 hours)",
            )


class Endpoints(Value):
    """Where tokens are exchanged and accounts impersonated: URLs without a path."""

    sts: str
    iam_credentials: str

    @classmethod
    def of(cls, universe_domain: str = DEFAULT_UNIVERSE) -> Self:
        """Those of a universe. Raises `InvalidGoogleSetting`."""
        if not re.fullmatch(_UNIVERSE, universe_domain):
            raise InvalidGoogleSetting(f"{universe_domain!r} is no universe domain")
        return cls(f"https://sts.{universe_domain}", f"https://iamcredentials.{universe_domain}")

    @property
    def token_url(self) -> str:
        return f"{self.sts.rstrip('/')}/v1/token"

    def impersonation_url(self, account: ServiceAccount) -> str:
        path = f"v1/projects/-/serviceAccounts/{account.email}:generateAccessToken"
        return f"{self.iam_credentials.rstrip('/')}/{path}"
