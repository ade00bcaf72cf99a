"""Trusts at each verifier for one workload, as they are configured in practice."""

from __future__ import annotations

import json
from typing import Any

ISSUER = "https://issuer.example.org"
AUDIENCES = {
    "aws": "sts.amazonaws.com",
    "gcp": "//iam.googleapis.com/projects/123456789012/locations/global/"
    "workloadIdentityPools/spire/providers/spire",
    "azure": "api://AzureADTokenExchange",
    "vault": "vault",
    "kubernetes": "https://kubernetes.example.org",
}


def trust(key: str, subject: str) -> bytes:
    """The description that the verifier's `parse_trust` reads; `subject` may end with a star."""
    return json.dumps(_TRUSTS[key](subject)).encode()


def _aws(subject: str) -> dict[str, Any]:
    arn = f"arn:aws:iam::123456789012:oidc-provider/{ISSUER.removeprefix('https://')}"
    audience = {"issuer.example.org:aud": AUDIENCES["aws"]}
    named = {"issuer.example.org:sub": subject}
    condition = (
        {"StringEquals": audience, "StringLike": named}
        if "*" in subject
        else {"StringEquals": {**audience, **named}}
    )
    statement = {
        "Effect": "Allow",
        "Principal": {"Federated": arn},
        "Action": "sts:AssumeRoleWithWebIdentity",
        "Condition": condition,
    }
    policy = {"Version": "2012-10-17", "Statement": [statement]}
    return {
        "role": {
            "Arn": "arn:aws:iam::123456789012:role/workload",
            "AssumeRolePolicyDocument": policy,
            "MaxSessionDuration": 3600,
        },
        "provider": {"Url": ISSUER, "ClientIDList": [AUDIENCES["aws"]]},
    }


def _gcp(subject: str) -> dict[str, Any]:
    condition = (
        f"assertion.sub.startsWith('{subject.partition('*')[0]}')"
        if "*" in subject
        else f"assertion.sub == '{subject}'"
    )
    return {
        "name": AUDIENCES["gcp"].removeprefix("//iam.googleapis.com/"),
        "state": "ACTIVE",
        "oidc": {"issuerUri": ISSUER, "allowedAudiences": [AUDIENCES["gcp"]]},
        "attributeMapping": {"google.subject": "assertion.sub"},
        "attributeCondition": condition,
    }


def _azure(subject: str) -> dict[str, Any]:
    return {
        "name": "workload",
        "issuer": ISSUER,
        "subject": subject.rstrip("*"),
        "audiences": [AUDIENCES["azure"]],
    }


def _vault(subject: str) -> dict[str, Any]:
    bound: dict[str, Any] = {"bound_subject": subject}
    if "*" in subject:
        bound = {"bound_claims_type": "glob", "bound_claims": {"sub": subject}}
    role = {
        "role_type": "jwt",
        "user_claim": "sub",
        "bound_audiences": [AUDIENCES["vault"]],
        "token_policies": ["workload"],
        **bound,
    }
    config = {"oidc_discovery_url": ISSUER, "bound_issuer": ISSUER}
    return {"role": role, "config": config, "role_name": "workload"}


def _kubernetes(subject: str) -> dict[str, Any]:
    rule = (
        {"expression": f"claims.sub.startsWith('{subject.partition('*')[0]}')", "message": "no"}
        if "*" in subject
        else {"claim": "sub", "requiredValue": subject}
    )
    authenticator = {
        "issuer": {"url": ISSUER, "audiences": [AUDIENCES["kubernetes"]]},
        "claimValidationRules": [rule],
        "claimMappings": {"username": {"claim": "sub", "prefix": "spire:"}},
    }
    return {
        "apiVersion": "apiserver.config.k8s.io/v1",
        "kind": "AuthenticationConfiguration",
        "jwt": [authenticator],
    }


_TRUSTS = {
    "aws": _aws,
    "gcp": _gcp,
    "azure": _azure,
    "vault": _vault,
    "kubernetes": _kubernetes,
}
