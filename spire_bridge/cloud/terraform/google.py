"""Workload identity pools of the Terraform provider `hashicorp/google`."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterator, Sequence
from typing import Any

from spire_bridge.cloud.terraform.described import Described, Open, known
from spire_bridge.cloud.terraform.resources import Resource

_PROVIDER = "google_iam_workload_identity_pool_provider"
_ACCOUNT_IAM = "google_service_account_iam_"
_POOLS = "/locations/global/workloadIdentityPools/"


def describe(resources: Sequence[Resource]) -> Iterator[Described | Open]:
    """Each provider for OIDC, by itself or with each service account that its pool may become."""
    accounts = _bindings_by_account(resources)
    for provider in resources:
        if provider.type != _PROVIDER or not provider.values.get("oidc"):
            continue
        name = provider.text("name")
        if not name:
            yield Open.until_applied(provider, "name, which has the project's number,")
            continue
        described = _provider(provider, name)
        pool = f"/{name.partition('/providers/')[0]}/"
        bound = {email: b for email, b in accounts.items() if _lets_in(b, pool)}
        for email, bindings in bound.items():
            content = {"serviceAccount": email, "iamPolicy": {"bindings": bindings}}
            yield Described.of("gcp", provider, {"provider": described, **content})
        if not bound:
            yield Described.of("gcp", provider, {"provider": described})


def _provider(provider: Resource, name: str) -> dict[str, Any]:
    """In the shape of the REST API."""
    listed = provider.values["oidc"]
    oidc = listed[0] if isinstance(listed, list) and isinstance(listed[0], dict) else {}
    members = {
        "issuerUri": oidc.get("issuer_uri"),
        "allowedAudiences": oidc.get("allowed_audiences"),
        "jwksJson": oidc.get("jwks_json"),
    }
    renamed = {
        "attribute_mapping": "attributeMapping",
        "attribute_condition": "attributeCondition",
        "disabled": "disabled",
        "state": "state",
    }
    return {
        "name": name,
        "oidc": {key: value for key, value in members.items() if value},
        **{renamed[key]: value for key, value in known(provider, *renamed).items()},
    }


def _bindings_by_account(resources: Sequence[Resource]) -> dict[str, list[dict[str, Any]]]:
    bindings: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for resource in resources:
        account = resource.text("service_account_id")
        if resource.type.startswith(_ACCOUNT_IAM) and account:
            bindings[account.rpartition("/")[2]].extend(_bindings(resource))
    return bindings


def _bindings(resource: Resource) -> Iterator[dict[str, Any]]:
    """Those of a `_member`, a `_binding` or a `_policy`."""
    role, member = resource.text("role"), resource.text("member")
    if role is not None:
        members = [member] if member is not None else resource.values.get("members", [])
        condition = {"condition": c} if (c := resource.values.get("condition")) else {}
        yield {"role": role, "members": members, **condition}
        return
    try:
        policy = json.loads(resource.text("policy_data") or "{}")
    except (ValueError, RecursionError):
        return
    listed = policy.get("bindings") if isinstance(policy, dict) else None
    yield from (item for item in listed or () if isinstance(item, dict))


def _lets_in(bindings: Sequence[dict[str, Any]], pool: str) -> bool:
    """Whether a member is of the pool: `principal://iam.googleapis.com/<pool>/subject/…`."""
    return any(
        isinstance(member, str) and _POOLS in member and pool in member
        for binding in bindings
        if isinstance(binding.get("members"), list)
        for member in binding["members"]
    )
