"""Who a federated workload is to IAM, and which roles a policy gives it."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Self

from spire_bridge.cloud.trust_json import TrustObject

# Those predefined roles that hold iam.serviceAccounts.getAccessToken.
IMPERSONATING_ROLES = (
    "roles/iam.workloadIdentityUser",
    "roles/iam.serviceAccountTokenCreator",
)


@dataclass(frozen=True, slots=True)
class MappedAttributes:
    """What a provider made of a token's claims."""

    subject: str
    groups: tuple[str, ...]
    attributes: tuple[tuple[str, str], ...]  # names without `attribute.`

    def principal(self, pool: str) -> str:
        return f"principal://iam.googleapis.com/{pool}/subject/{self.subject}"

    def principal_sets(self, pool: str) -> tuple[str, ...]:
        """Every set that the workload is in, the whole pool last."""
        prefix = f"principalSet://iam.googleapis.com/{pool}"
        return (
            *(f"{prefix}/attribute.{name}/{value}" for name, value in self.attributes),
            *(f"{prefix}/group/{group}" for group in self.groups),
            f"{prefix}/*",
        )


@dataclass(frozen=True, slots=True)
class Binding:
    """Members of a role. What a condition on it says is not evaluated."""

    role: str
    members: frozenset[str]
    conditional: bool


@dataclass(frozen=True, slots=True)
class IamPolicy:
    """A service account's policy: bindings of roles to members."""

    bindings: tuple[Binding, ...]

    @classmethod
    def read(cls, policy: TrustObject) -> Self:
        """Raises `InvalidTrust`."""
        return cls(
            tuple(
                Binding(
                    binding.text("role"),
                    frozenset(binding.texts("members")),
                    binding.has("condition"),
                )
                for binding in policy.objects("bindings")
            )
        )

    def impersonators(self) -> tuple[Binding, ...]:
        return tuple(b for b in self.bindings if b.role in IMPERSONATING_ROLES)

    def lets_impersonate(self, identifiers: Collection[str]) -> bool:
        """Whether one of these principals may get tokens of the service account.

        A binding with a condition counts as none, since the condition is not evaluated.
        """
        return any(
            not binding.conditional and not binding.members.isdisjoint(identifiers)
            for binding in self.impersonators()
        )
