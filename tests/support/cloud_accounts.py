"""One account at each model cloud, where a workload of an issuer may become someone."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from spire_bridge.cloud.aws import roles_anywhere, sts
from spire_bridge.cloud.entra import sts as entra
from spire_bridge.cloud.google import sts as google
from spire_bridge.models.model_clouds import ConfiguredTrust

AUDIENCE = "demo"
ENTRA_AUDIENCE = "api://AzureADTokenExchange"

ACCOUNT = "123456789012"
ROLE_ARN = f"arn:aws:iam::{ACCOUNT}:role/web"
ANCHOR_ARN = f"arn:aws:rolesanywhere:eu-central-1:{ACCOUNT}:trust-anchor/1"
PROFILE_ARN = f"arn:aws:rolesanywhere:eu-central-1:{ACCOUNT}:profile/1"
POOL = "projects/123456789012/locations/global/workloadIdentityPools/spire"
PROVIDER = f"//iam.googleapis.com/{POOL}/providers/spire"
EMAIL = "web@example.iam.gserviceaccount.com"
TENANT = "22222222-2222-2222-2222-222222222222"
APPLICATION = "11111111-1111-1111-1111-111111111111"
SCOPE = "https://vault.azure.net/.default"


def configured(
    issuer: str, subject: str, anchors: Iterable[x509.Certificate] = ()
) -> ConfiguredTrust:
    """Every cloud trusts `subject` of `issuer`; Roles Anywhere `anchors`, if any."""
    anchors = tuple(anchors)
    return ConfiguredTrust(
        aws=(sts.parse_trust(_json(_aws(issuer, subject)), name="role.json"),),
        roles_anywhere=(
            (roles_anywhere.parse_trust(_json(_roles_anywhere(anchors)), name="anywhere.json"),)
            if anchors
            else ()
        ),
        google=(google.parse_trust(_json(_google(issuer, subject)), name="provider.json"),),
        entra=(entra.parse_trust(_json(_entra(issuer, subject)), name="application.json"),),
    )


def _json(value: Any) -> bytes:
    return json.dumps(value).encode()


def _policy(*statements: dict[str, Any]) -> dict[str, Any]:
    return {"Version": "2012-10-17", "Statement": list(statements)}


def _role(policy: dict[str, Any]) -> dict[str, Any]:
    return {"Arn": ROLE_ARN, "AssumeRolePolicyDocument": policy, "MaxSessionDuration": 7200}


def _aws(issuer: str, subject: str) -> dict[str, Any]:
    host = issuer.removeprefix("https://")
    statement = {
        "Effect": "Allow",
        "Principal": {"Federated": f"arn:aws:iam::{ACCOUNT}:oidc-provider/{host}"},
        "Action": "sts:AssumeRoleWithWebIdentity",
        "Condition": {"StringEquals": {f"{host}:sub": subject, f"{host}:aud": AUDIENCE}},
    }
    provider = {"Url": host, "ClientIDList": [AUDIENCE], "ThumbprintList": []}
    return {"role": _role(_policy(statement)), "provider": provider}


def _roles_anywhere(anchors: tuple[x509.Certificate, ...]) -> dict[str, Any]:
    pem = b"".join(anchor.public_bytes(Encoding.PEM) for anchor in anchors).decode()
    statement = {
        "Effect": "Allow",
        "Principal": {"Service": "rolesanywhere.amazonaws.com"},
        "Action": ["sts:AssumeRole", "sts:TagSession", "sts:SetSourceIdentity"],
    }
    return {
        "anchor": {
            "trustAnchorArn": ANCHOR_ARN,
            "enabled": True,
            "source": {
                "sourceType": "CERTIFICATE_BUNDLE",
                "sourceData": {"x509CertificateData": pem},
            },
        },
        "profile": {"profileArn": PROFILE_ARN, "enabled": True, "roleArns": [ROLE_ARN]},
        "role": _role(_policy(statement)),
    }


def _google(issuer: str, subject: str) -> dict[str, Any]:
    return {
        "provider": {
            "name": PROVIDER.removeprefix("//iam.googleapis.com/"),
            "state": "ACTIVE",
            "oidc": {"issuerUri": issuer, "allowedAudiences": [AUDIENCE]},
            "attributeMapping": {"google.subject": "assertion.sub"},
        },
        "serviceAccount": EMAIL,
        "iamPolicy": {
            "bindings": [
                {
                    "role": "roles/iam.workloadIdentityUser",
                    "members": [f"principal://iam.googleapis.com/{POOL}/subject/{subject}"],
                }
            ]
        },
    }


def _entra(issuer: str, subject: str) -> dict[str, Any]:
    return {
        "application": {"appId": APPLICATION, "displayName": "web"},
        "tenant": {"id": TENANT},
        "federatedIdentityCredentials": [
            {"name": "web", "issuer": issuer, "subject": subject, "audiences": [ENTRA_AUDIENCE]}
        ],
    }
