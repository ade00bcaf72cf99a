"""An application of Entra that takes a workload's JWT-SVID, and how programs are told of it."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import PurePath

from spire_bridge.credentials.azure.errors import InvalidAzureSetting

DEFAULT_AUTHORITY = "https://login.microsoftonline.com"
DEFAULT_AUDIENCE = "api://AzureADTokenExchange"
_TENANT = re.compile(r"[A-Za-z0-9][A-Za-z0-9.-]{0,252}")
_CLIENT = re.compile(r"[A-Za-z0-9][A-Za-z0-9-]{0,63}")
_AUTHORITY = re.compile(r"https?://[A-Za-z0-9.:\[\]-]{1,253}(/[A-Za-z0-9._-]+)*")
_PATH = re.compile(r"[A-Za-z0-9/._@+-]+")


@dataclass(frozen=True, slots=True)
class Application:
    """The tenant by its ID or domain, the application by its client ID.

    `authority` is https://login.microsoftonline.com or another cloud's; https is assumed where
    it has no scheme, as in AZURE_AUTHORITY_HOST. Raises `InvalidAzureSetting`.
    """

    tenant: str
    client_id: str
    authority: str = field(default=DEFAULT_AUTHORITY)

    def __post_init__(self) -> None:
        if not _TENANT.fullmatch(self.tenant):
            raise InvalidAzureSetting("the tenant is neither an ID nor a domain")
        if not _CLIENT.fullmatch(self.client_id):
            raise InvalidAzureSetting("the client ID is none of an application: it is a UUID")
        authority = self.authority.rstrip(" /")
        if "://" not in authority:
            authority = f"https://{authority}"
        if not _AUTHORITY.fullmatch(authority):
            raise InvalidAzureSetting(
                "the authority is no URL of a host", hint=f"such as {DEFAULT_AUTHORITY}"
            )
        object.__setattr__(self, "authority", authority)

    @property
    def token_url(self) -> str:
        return f"{self.authority}/{self.tenant}/oauth2/v2.0/token"

    def environment(self, token_file: PurePath) -> dict[str, str]:
        """What azure-identity's WorkloadIdentityCredential, and most others, look for."""
        return {
            "AZURE_AUTHORITY_HOST": f"{self.authority}/",
            "AZURE_CLIENT_ID": self.client_id,
            "AZURE_FEDERATED_TOKEN_FILE": str(token_file),
            "AZURE_TENANT_ID": self.tenant,
        }


def environment_file(application: Application, token_file: PurePath) -> bytes:
    """The same as lines that a shell, systemd and docker read alike: nothing needs quotes.

    Raises `InvalidAzureSetting`.
    """
    if not token_file.is_absolute() or not _PATH.fullmatch(str(token_file)):
        raise InvalidAzureSetting(
            "the token file has no plain absolute path", hint="such as /run/web/azure-token"
        )
    variables = application.environment(token_file)
    return "".join(f"{name}={value}\n" for name, value in variables.items()).encode("ascii")
