"""Terraform for Vault and OpenBao: a mount of JWT auth, and its roles."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from spire_bridge.cloud.generate.grant import Grant
from spire_bridge.cloud.generate.heading import HEADING
from spire_bridge.cloud.generate.names import resource_label
from spire_bridge.cloud.generate.workloads import Workloads
from spire_bridge.cloud.hcl_writer import Attribute, Block, Expression, Value, write_file

_MOUNT = "vault_jwt_auth_backend"
_ROLE = "vault_jwt_auth_backend_role"


@dataclass(frozen=True, slots=True)
class VaultRole:
    """A role that workloads log in to with a token for `audience`."""

    name: str
    workloads: Workloads
    audience: str
    policies: tuple[str, ...]
    token_seconds: int


@dataclass(frozen=True, slots=True)
class VaultMount:
    """A mount that trusts the issuer, and the algorithm that it signs with."""

    issuer: str
    path: str
    algorithm: str
    roles: tuple[VaultRole, ...]


def terraform(mount: VaultMount) -> str:
    return write_file(HEADING, [_mount(mount), *(_role(role) for role in mount.roles)])


def grants(mount: VaultMount) -> Iterator[Grant]:
    """Each role with its mount, as Vault prints them."""
    config = {
        "oidc_discovery_url": mount.issuer,
        "bound_issuer": mount.issuer,
        "jwt_supported_algs": [mount.algorithm],
    }
    for role in mount.roles:
        bound: dict[str, Any] = {"bound_subject": role.workloads.ids[0]} if _is_one(role) else {}
        if not bound:
            bound = {
                "bound_claims_type": _claims_type(role),
                "bound_claims": {"sub": _subjects(role)},
            }
        described = {
            "role_type": "jwt",
            "user_claim": "sub",
            "bound_audiences": [role.audience],
            **bound,
            "token_policies": list(role.policies),
        }
        trust = {"role_name": role.name, "role": described, "config": config}
        yield Grant(
            "vault",
            f"vault.role {role.name}",
            json.dumps(trust).encode(),
            mount.issuer,
            role.audience,
            (role.workloads,),
        )


def _is_one(role: VaultRole) -> bool:
    return len(role.workloads.ids) == 1


def _claims_type(role: VaultRole) -> str:
    return "glob" if role.workloads.below else "string"


def _subjects(role: VaultRole) -> list[str]:
    return [f"{role.workloads.below}*"] if role.workloads.below else sorted(role.workloads.ids)


def _mount(mount: VaultMount) -> Block:
    why_issuer = "Both in every character as the tokens' iss has it."
    why_algorithm = "What SPIRE signs with, and nothing else."
    return Block.of(
        "resource",
        _MOUNT,
        "spire",
        body=[
            [Attribute("path", mount.path), Attribute("type", "jwt")],
            [
                Attribute("oidc_discovery_url", mount.issuer, why_issuer),
                Attribute("bound_issuer", mount.issuer),
            ],
            Attribute("jwt_supported_algs", [mount.algorithm], why_algorithm),
        ],
    )


def _role(role: VaultRole) -> Block:
    return Block.of(
        "resource",
        _ROLE,
        resource_label(role.name),
        body=[
            [
                Attribute("backend", Expression(f"{_MOUNT}.spire.path")),
                Attribute("role_name", role.name),
                Attribute("role_type", "jwt"),
            ],
            Attribute("bound_audiences", [role.audience]),
            [*_bound(role), Attribute("user_claim", "sub")],
            [
                Attribute("token_policies", role.policies),
                Attribute("token_ttl", role.token_seconds),
                Attribute("token_max_ttl", role.token_seconds),
            ],
        ],
        comment=role.workloads.description,
    )


def _bound(role: VaultRole) -> Iterator[Attribute]:
    if _is_one(role):
        yield Attribute("bound_subject", role.workloads.ids[0])
        return
    why = "Any of them; the provider takes a list as a text with commas."
    value: Value = ",".join(_subjects(role))
    if role.workloads.below:
        why = (
            f"Every workload below {role.workloads.below}. The star stands behind a slash: it"
            " reaches no sibling of that path."
        )
        yield Attribute("bound_claims_type", _claims_type(role), why)
        why = ""
    yield Attribute("bound_claims", {"sub": value}, why)
