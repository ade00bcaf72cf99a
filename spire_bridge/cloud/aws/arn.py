"""Amazon Resource Names (IAM User Guide: IAM ARNs)."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Self

_ROLE = re.compile(r"role/(?:[\x21-\x39\x3b-\x7e]+/)?([A-Za-z0-9_+=,.@-]{1,64})", re.ASCII)
_ACCOUNT = re.compile(r"[0-9]{12}", re.ASCII)
_PARTITION = re.compile(r"[a-z0-9-]+", re.ASCII)
_PROVIDER = "oidc-provider/"


@dataclass(frozen=True, slots=True)
class Arn:
    """`arn:<partition>:<service>:<region>:<account>:<resource>`."""

    partition: str
    service: str
    region: str
    account: str
    resource: str

    @classmethod
    def parse(cls, text: str) -> Self | None:
        """The parts of an ARN; None for anything else."""
        parts = text.split(":", 5)
        return cls(*parts[1:]) if len(parts) == 6 and parts[0] == "arn" else None

    @property
    def role_name(self) -> str | None:
        """The name of the IAM role that this is, without its path; None if it is none."""
        if self.service != "iam" or self.region or not _ACCOUNT.fullmatch(self.account):
            return None
        match = _ROLE.fullmatch(self.resource) if _PARTITION.fullmatch(self.partition) else None
        return match[1] if match else None

    @property
    def provider_url(self) -> str | None:
        """The URL of the IAM OIDC provider that this is, without `https://`."""
        is_provider = self.service == "iam" and self.resource.startswith(_PROVIDER)
        return self.resource[len(_PROVIDER) :] if is_provider else None


def role_name(arn: str) -> str | None:
    """The name of the role with this ARN; None if it is no role's."""
    parsed = Arn.parse(arn)
    return parsed.role_name if parsed is not None else None


def provider_arn(partition: str, account: str, url: str) -> str:
    """The ARN of an account's OIDC provider; `url` is without `https://`."""
    return f"arn:{partition}:iam::{account}:{_PROVIDER}{url}"


def session_arn(role_arn: str, session_name: str) -> str:
    """The ARN of a session of a role; empty if the role's is unknown."""
    arn = Arn.parse(role_arn)
    if arn is None or arn.role_name is None:
        return ""
    name = f"{arn.role_name}/{session_name}"
    return f"arn:{arn.partition}:sts::{arn.account}:assumed-role/{name}"
