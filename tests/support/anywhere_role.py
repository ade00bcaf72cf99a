"""A role of IAM Roles Anywhere for every workload of a trust domain."""

from __future__ import annotations

from typing import Any

ROLE = "arn:aws:iam::123456789012:role/workload"


def anywhere_role(authorities: str, **anchor: Any) -> dict[str, Any]:
    """Its description; `authorities` are the trust domain's, PEM, `anchor` more of the anchor."""
    statement = {
        "Effect": "Allow",
        "Principal": {"Service": "rolesanywhere.amazonaws.com"},
        "Action": ["sts:AssumeRole", "sts:TagSession", "sts:SetSourceIdentity"],
    }
    policy = {"Version": "2012-10-17", "Statement": [statement]}
    source = {"sourceData": {"x509CertificateData": authorities}}
    arn = "arn:aws:rolesanywhere:eu-west-1:123456789012"
    return {
        "trustAnchor": {
            "trustAnchorArn": f"{arn}:trust-anchor/a",
            "enabled": True,
            "source": {"sourceType": "CERTIFICATE_BUNDLE", **source},
            **anchor,
        },
        "profile": {"profileArn": f"{arn}:profile/p", "enabled": True, "roleArns": [ROLE]},
        "role": {"Arn": ROLE, "AssumeRolePolicyDocument": policy},
    }
