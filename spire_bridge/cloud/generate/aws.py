"""Terraform for AWS: the OIDC provider of an account, and roles for workloads."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from spire_bridge.cloud.aws import limits
from spire_bridge.cloud.generate.grant import Grant
from spire_bridge.cloud.generate.heading import HEADING
from spire_bridge.cloud.generate.names import resource_label
from spire_bridge.cloud.generate.precondition import only_where
from spire_bridge.cloud.generate.workloads import Workloads
from spire_bridge.cloud.hcl_writer import Attribute, Block, Call, Expression, Value, write_file
from spire_bridge.cloud.trust_errors import InvalidTrust

POLICY_VERSION = "2012-10-17"

_PROVIDER = "aws_iam_openid_connect_provider"
_PROVIDER_ARN = Expression(f"{_PROVIDER}.spire.arn")


@dataclass(frozen=True, slots=True)
class PolicyStatement:
    """What a role may do: actions on resources."""

    actions: tuple[str, ...]
    resources: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class AwsRole:
    """A role that workloads may assume with a token for `audience`."""

    name: str
    workloads: Workloads
    audience: str
    policies: tuple[str, ...] = ()
    statements: tuple[PolicyStatement, ...] = ()
    permissions_boundary: str = ""
    max_session_seconds: int = 3_600


@dataclass(frozen=True, slots=True)
class AwsAccount:
    """An account that trusts the issuer for these roles."""

    issuer: str
    account: str
    partition: str
    roles: tuple[AwsRole, ...]

    @property
    def provider_url(self) -> str:
        """How IAM names the provider, and its condition keys."""
        return self.issuer.removeprefix("https://")

    @property
    def provider_arn(self) -> str:
        return f"arn:{self.partition}:iam::{self.account}:oidc-provider/{self.provider_url}"

    @property
    def audiences(self) -> tuple[str, ...]:
        return tuple(sorted({role.audience for role in self.roles}))


def terraform(account: AwsAccount) -> str:
    """The file. Raises `InvalidTrust` for a role that IAM would not take."""
    blocks = [Block.of("data", "aws_caller_identity", "spire"), _provider(account)]
    for role in account.roles:
        blocks += _role(account, role)
    return write_file(HEADING, blocks)


def grants(account: AwsAccount) -> Iterator[Grant]:
    """Each role with its provider, as the IAM API describes them."""
    provider = {
        "Url": account.provider_url,
        "ClientIDList": list(account.audiences),
        "OpenIDConnectProviderArn": account.provider_arn,
    }
    for role in account.roles:
        described = {
            "RoleName": role.name,
            "Arn": f"arn:{account.partition}:iam::{account.account}:role/{role.name}",
            "AssumeRolePolicyDocument": trust_policy(account, role, account.provider_arn),
            "MaxSessionDuration": role.max_session_seconds,
        }
        yield Grant(
            "aws",
            f"aws.role {role.name}",
            json.dumps({"Role": described, "Provider": provider}).encode(),
            account.issuer,
            role.audience,
            (role.workloads,),
        )


def trust_policy(account: AwsAccount, role: AwsRole, provider_arn: Any) -> dict[str, Any]:
    """Who may assume the role: both `aud` and `sub` are pinned."""
    audience, subject = f"{account.provider_url}:aud", f"{account.provider_url}:sub"
    ids, below = role.workloads.ids, role.workloads.below
    condition: dict[str, Any] = {"StringEquals": {audience: role.audience}}
    if below:
        condition["StringLike"] = {subject: f"{below}*"}
    else:
        condition["StringEquals"][subject] = ids[0] if len(ids) == 1 else list(ids)
    return {
        "Version": POLICY_VERSION,
        "Statement": [
            {
                "Effect": "Allow",
                "Principal": {"Federated": provider_arn},
                "Action": "sts:AssumeRoleWithWebIdentity",
                "Condition": condition,
            }
        ],
    }


def _provider(account: AwsAccount) -> Block:
    return Block.of(
        "resource",
        _PROVIDER,
        "spire",
        body=[
            Attribute("url", account.issuer),
            Attribute("client_id_list", account.audiences, "The audiences of the roles below."),
            only_where(
                "data.aws_caller_identity.spire.account_id", account.account, "the AWS account"
            ),
        ],
        comment="The issuer, to which SPIRE's jwt_issuer must be equal in every character. AWS"
        " trusts its certificate by the usual authorities, so that no thumbprint is pinned.",
    )


def _role(account: AwsAccount, role: AwsRole) -> Iterator[Block]:
    length = len(
        json.dumps(trust_policy(account, role, account.provider_arn), separators=(",", ":"))
    )
    if length > limits.TRUST_POLICY_CHARACTERS:
        raise InvalidTrust(
            f"aws.role {role.name}: its trust policy would have {length} characters;"
            f" {limits.TRUST_POLICY_CHARACTERS} are allowed",
            hint="have fewer SPIFFE IDs share the role, or give it to all below a path with"
            " spiffe_ids_below",
        )
    label = resource_label(role.name)
    policy = Call("jsonencode", (trust_policy(account, role, _PROVIDER_ARN),))
    general = [Attribute("name", role.name)]
    if role.workloads.description:
        general.append(Attribute("description", role.workloads.description))
    general.append(Attribute("max_session_duration", role.max_session_seconds))
    if role.permissions_boundary:
        general.append(Attribute("permissions_boundary", role.permissions_boundary))
    yield Block.of(
        "resource",
        "aws_iam_role",
        label,
        body=[general, Attribute("assume_role_policy", policy, _why(role))],
    )
    yield from _permissions(role, label)


def _why(role: AwsRole) -> str:
    if role.workloads.below:
        return (
            f"Every workload below {role.workloads.below} may assume it. The star stands behind"
            " a slash: it reaches no sibling of that path."
        )
    return ""


def _permissions(role: AwsRole, label: str) -> Iterator[Block]:
    name = Expression(f"aws_iam_role.{label}.name")
    if role.statements:
        statements: list[Value] = [
            {"Effect": "Allow", "Action": list(s.actions), "Resource": list(s.resources)}
            for s in role.statements
        ]
        policy: Value = {"Version": POLICY_VERSION, "Statement": statements}
        yield Block.of(
            "resource",
            "aws_iam_role_policy",
            label,
            body=[
                [
                    Attribute("name", role.name),
                    Attribute("role", name),
                    Attribute("policy", Call("jsonencode", (policy,))),
                ]
            ],
        )
    if role.policies:
        yield Block.of(
            "resource",
            "aws_iam_role_policy_attachment",
            label,
            body=[
                Attribute("for_each", Call("toset", (sorted(role.policies),))),
                [Attribute("role", name), Attribute("policy_arn", Expression("each.value"))],
            ],
        )
