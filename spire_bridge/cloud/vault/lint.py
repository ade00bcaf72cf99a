"""What is risky about a role of JWT auth, whatever token comes."""

from __future__ import annotations

from collections.abc import Iterator

from spire_bridge.cloud.lint_finding import LintFinding, Severity
from spire_bridge.cloud.vault.trust import Mount, Role, VaultTrust


def lint(trust: VaultTrust) -> Iterator[LintFinding]:
    """Where the description lets in more than it seems to, or nobody at all."""
    if trust.role is not None:
        yield from _role(trust.role)
    if trust.mount is not None:
        yield from _mount(trust.mount)


def _role(role: Role) -> Iterator[LintFinding]:
    if role.role_type == "oidc":
        yield LintFinding(
            "role type",
            Severity.ERROR,
            "role.role_type",
            "no token logs in with a role of type oidc, which is also the default",
            "set role_type to jwt",
        )
        return
    yield from _subject(role)
    if not role.bound_audiences:
        yield LintFinding(
            "audience",
            Severity.ERROR,
            "role.bound_audiences",
            "a role without bound_audiences refuses every JWT-SVID, since each has an audience",
            "set bound_audiences to the audience that workloads ask for",
        )
    if role.user_claim not in ("sub", "/sub"):
        yield LintFinding(
            "user claim",
            Severity.WARNING,
            "role.user_claim",
            f"the entity's alias is the claim {role.user_claim}, not the SPIFFE ID: workloads "
            "with the same value share an entity",
            "set user_claim to sub",
        )
    if role.clock_skew_leeway > 300:
        yield LintFinding(
            "clock skew",
            Severity.WARNING,
            "role.clock_skew_leeway",
            f"a token is accepted up to {role.clock_skew_leeway} s after it expired",
            "set clock_skew_leeway to 60 or less",
        )


def _subject(role: Role) -> Iterator[LintFinding]:
    bound = role.bound_claims.get("sub", role.bound_claims.get("/sub"))
    if not role.bound_subject and bound is None:
        yield LintFinding(
            "subject",
            Severity.ERROR,
            "role.bound_subject",
            "neither bound_subject nor bound_claims binds sub: every workload of the issuer with "
            "the audience may log in",
            "set bound_subject to the workload's SPIFFE ID",
        )
    for name, values in role.bound_claims.items() if role.glob else ():
        for pattern in values:
            if isinstance(pattern, str) and _crosses_segments(pattern):
                yield LintFinding(
                    "glob",
                    Severity.WARNING,
                    f"role.bound_claims.{name}",
                    f"the star of {pattern} matches slashes as well, and so more path segments "
                    "than one",
                    "list the values, or end the path before the star with a segment of its own",
                )


def _crosses_segments(pattern: str) -> bool:
    return "*" in pattern and ("/" in pattern or pattern == "*")


def _mount(mount: Mount) -> Iterator[LintFinding]:
    if not mount.bound_issuer:
        yield LintFinding(
            "issuer",
            Severity.WARNING,
            "config.bound_issuer",
            "the issuer is not bound: any token counts that was signed with one of the keys",
            "set bound_issuer to the issuer's URL",
        )
    elif mount.oidc_discovery_url and mount.bound_issuer != mount.oidc_discovery_url:
        yield LintFinding(
            "issuer",
            Severity.ERROR,
            "config.bound_issuer",
            f"bound_issuer {mount.bound_issuer} differs from oidc_discovery_url "
            f"{mount.oidc_discovery_url}, which a discovered issuer equals byte for byte",
            "set both to the issuer's URL",
        )
    if mount.public_keys:
        yield LintFinding(
            "static keys",
            Severity.WARNING,
            "config.jwt_validation_pubkeys",
            "keys that SPIRE rotates to are not known, and keys that it revoked still are",
            "set oidc_discovery_url or jwks_url instead",
        )
