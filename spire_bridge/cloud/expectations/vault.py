"""What a role of JWT auth asks of tokens."""

from __future__ import annotations

from spire_bridge.cloud.expectation import Expectation
from spire_bridge.cloud.subjects import SubjectBound
from spire_bridge.cloud.vault.trust import Role, VaultTrust

_SELECTING = frozenset({"subject", "bound claims"})


def expectations(trust: VaultTrust) -> tuple[Expectation, ...]:
    """None without a role; its issuer is unknown without the mount's configuration."""
    role, mount = trust.role, trust.mount
    if role is None:
        return ()
    issuer = mount.bound_issuer or mount.oidc_discovery_url if mount is not None else ""
    return (
        Expectation(
            issuer,
            role.bound_audiences,
            _subjects(role),
            pins_audience=bool(role.bound_audiences),
            selecting=_SELECTING,
            is_decided=_is_decided(role),
        ),
    )


def _is_decided(role: Role) -> bool:
    """Whether the subject is bound in one way, if at all."""
    ways = (bool(role.bound_subject), "sub" in role.bound_claims, "/sub" in role.bound_claims)
    return ways.count(True) <= 1


def _subjects(role: Role) -> SubjectBound:
    if role.bound_subject:
        return SubjectBound(exact=frozenset({role.bound_subject}))
    claims = role.bound_claims
    bound = [value for value in claims.get("sub", claims.get("/sub", ())) if isinstance(value, str)]
    if not bound:
        return SubjectBound.any()
    return SubjectBound.matching(bound, wildcards="*" if role.glob else "")
