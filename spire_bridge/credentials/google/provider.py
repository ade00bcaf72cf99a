"""A workload identity pool provider by its name, and where Google is asked about it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Self

from spire_bridge.credentials.google.errors import InvalidGoogleSetting

DEFAULT_UNIVERSE = "googleapis.com"
MIN_LIFETIME_SECONDS = 600
MAX_LIFETIME_SECONDS = 43_200

_PREFIX = "//iam.googleapis.com/"
_ID = r"[a-z0-9-]{4,32}"
_NAME = re.compile(
    r"projects/[0-9]{1,20}/locations/global/workloadIdentityPools"
    rf"/(?P<pool>{_ID})/providers/(?P<provider>{_ID})"
)
_UNIVERSE = re.compile(r"[a-z0-9-]{1,63}(\.[a-z0-9-]{1,63})+")
_EMAIL = re.compile(r"[A-Za-z0-9._-]{1,64}@[a-z0-9.-]{1,253}")


@dataclass(frozen=True, slots=True)
class Provider:
    """`audience` names it in a token exchange; the project is named by its number there."""

    audience: str

    @classmethod
    def parse(cls, name: str) -> Self:
        """From its full name, with or without `https:` and `//iam.googleapis.com/`.

        Raises `InvalidGoogleSetting`.
        """
        short = name.removeprefix("https:").removeprefix(_PREFIX)
        if not _NAME.fullmatch(short):
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


@dataclass(frozen=True, slots=True)
class ServiceAccount:
    """Whom to impersonate, and for how long; None is Google's default, an hour.

    More than an hour needs an organisation policy. Raises `InvalidGoogleSetting`.
    """

    email: str
    lifetime_seconds: int | None = None

    def __post_init__(self) -> None:
        if not _EMAIL.fullmatch(self.email):
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


@dataclass(frozen=True, slots=True)
class Endpoints:
    """Where tokens are exchanged and accounts impersonated: URLs without a path."""

    sts: str
    iam_credentials: str

    @classmethod
    def of(cls, universe_domain: str = DEFAULT_UNIVERSE) -> Self:
        """Those of a universe. Raises `InvalidGoogleSetting`."""
        if not _UNIVERSE.fullmatch(universe_domain):
            raise InvalidGoogleSetting(f"{universe_domain!r} is no universe domain")
        return cls(f"https://sts.{universe_domain}", f"https://iamcredentials.{universe_domain}")

    @property
    def token_url(self) -> str:
        return f"{self.sts.rstrip('/')}/v1/token"

    def impersonation_url(self, account: ServiceAccount) -> str:
        path = f"v1/projects/-/serviceAccounts/{account.email}:generateAccessToken"
        return f"{self.iam_credentials.rstrip('/')}/{path}"
