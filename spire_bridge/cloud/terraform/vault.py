"""JWT auth backends and their roles of the Terraform provider `hashicorp/vault`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from spire_bridge.cloud.terraform.described import Described, Open
from spire_bridge.cloud.terraform.resources import Resource

_BACKEND = "vault_jwt_auth_backend"
_ROLE = "vault_jwt_auth_backend_role"
_DEFAULT_PATH = "jwt"  # of the resource, if it names none
_DECISIVE = frozenset({"user_claim", "bound_audiences", "bound_subject", "bound_claims"})


def describe(resources: Sequence[Resource]) -> Iterator[Described | Open]:
    """Each role, with the mount that it is of where that is described, too."""
    mounts = {_path(item.text("path")): item for item in resources if item.type == _BACKEND}
    for role in resources:
        if role.type != _ROLE:
            continue
        if unknown := role.unknown & _DECISIVE:
            yield Open.until_applied(role, min(unknown))
            continue
        mount = mounts.get(_path(role.text("backend")))
        content: dict[str, Any] = {"role": _role(role), "role_name": role.text("role_name") or ""}
        if mount is not None:
            content["config"] = _present(mount)
        yield Described.of("vault", role, content)


def _path(path: str | None) -> str:
    return (path or _DEFAULT_PATH).strip("/")


def _role(role: Resource) -> dict[str, Any]:
    """Vault's own names; a list of values for a bound claim is one text with commas there."""
    values = _present(role)
    claims = values.get("bound_claims")
    if isinstance(claims, dict):
        values["bound_claims"] = {
            name: [part.strip() for part in value.split(",")] if isinstance(value, str) else value
            for name, value in claims.items()
        }
    return values


def _present(resource: Resource) -> dict[str, Any]:
    return {name: value for name, value in resource.values.items() if value not in (None, "", [])}
