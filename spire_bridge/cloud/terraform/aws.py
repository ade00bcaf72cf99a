"""Roles and OIDC providers of the Terraform provider `hashicorp/aws`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from spire_bridge.cloud.terraform.described import Described, Open, known
from spire_bridge.cloud.terraform.resources import Resource

_ROLE = "aws_iam_role"
_PROVIDER = "aws_iam_openid_connect_provider"
_WEB_IDENTITY = "AssumeRoleWithWebIdentity".lower()


def describe(resources: Sequence[Resource]) -> Iterator[Described | Open]:
    """Each role that web identities may assume, with the providers that its policy names."""
    providers = [resource for resource in resources if resource.type == _PROVIDER]
    for role in resources:
        if role.type != _ROLE:
            continue
        policy = role.text("assume_role_policy")
        if policy is None:
            if providers and "assume_role_policy" in role.unknown:
                yield Open.until_applied(role, "assume_role_policy")
        elif _WEB_IDENTITY in policy.lower():
            named = [_provider(item) for item in providers if _is_named(item, policy)]
            yield Described.of(
                "aws",
                role,
                {
                    "role": known(role, "arn", "assume_role_policy", "max_session_duration"),
                    **({"providers": named} if named else {}),
                },
            )


def _is_named(provider: Resource, policy: str) -> bool:
    """Whether the policy names the provider by its ARN, which ends with its URL."""
    url = (provider.text("url") or "").removeprefix("https://")
    return bool(url) and f'oidc-provider/{url}"' in policy


def _provider(provider: Resource) -> dict[str, object]:
    return {"client_id_list": [], **known(provider, "url", "client_id_list", "arn")}
