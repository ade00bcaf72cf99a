"""One account at each model cloud, where a workload of an issuer may become someone.

The descriptions are those that the real clouds' tools print, shortened.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol, Self, TypeVar

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from spire_bridge.cloud.aws import roles_anywhere, sts
from spire_bridge.cloud.entra import sts as entra
from spire_bridge.cloud.google import sts as google
from spire_bridge.models.model_clouds import ConfiguredTrust

AUDIENCE = "demo"
ENTRA_AUDIENCE = "api://AzureADTokenExchange"

REGION = "eu-central-1"
SESSION_NAME = "dev"
ACCOUNT = "123456789012"
ROLE_ARN = f"arn:aws:iam::{ACCOUNT}:role/web"
ANCHOR_ARN = f"arn:aws:rolesanywhere:eu-central-1:{ACCOUNT}:trust-anchor/1"
PROFILE_ARN = f"arn:aws:rolesanywhere:eu-central-1:{ACCOUNT}:profile/1"
PROJECT = "example"
POOL = "projects/123456789012/locations/global/workloadIdentityPools/spire"
PROVIDER = f"//iam.googleapis.com/{POOL}/providers/spire"
EMAIL = "web@example.iam.gserviceaccount.com"
TENANT = "22222222-2222-2222-2222-222222222222"
APPLICATION = "11111111-1111-1111-1111-111111111111"
SCOPE = "https://vault.azure.net/.default"


T = TypeVar("T", covariant=True)


class Parse(Protocol[T]):
    """A verifier's reader of descriptions."""

    def __call__(self, data: bytes, *, name: str) -> T: ...


@dataclass(frozen=True, slots=True)
class Descriptions:
    """What is configured at each cloud, in JSON, by the option of `trust evaluate` for it."""

    by_option: Mapping[str, bytes]

    @classmethod
    def of(cls, issuer: str, subject: str, anchors: Iterable[x509.Certificate] = ()) -> Self:
        """Every cloud trusts `subject` of `issuer`, and Roles Anywhere trusts `anchors`, if any."""
        described = {
            "aws": _aws(issuer, subject),
            "gcp": _google(issuer, subject),
            "azure": _entra(issuer, subject),
        }
        if certificates := tuple(anchors):
            described["roles-anywhere"] = _roles_anywhere(certificates)
        return cls({name: json.dumps(d, indent=2).encode() for name, d in described.items()})

    def trust(self) -> ConfiguredTrust:
        """The same, read as any description is."""
        return ConfiguredTrust(
            aws=tuple(self._read("aws", sts.parse_trust)),
            roles_anywhere=tuple(self._read("roles-anywhere", roles_anywhere.parse_trust)),
            google=tuple(self._read("gcp", google.parse_trust)),
            entra=tuple(self._read("azure", entra.parse_trust)),
        )

    def _read(self, option: str, parse_trust: Parse[T]) -> Iterator[T]:
        if option in self.by_option:
            yield parse_trust(self.by_option[option], name=f"{option}.json")


@dataclass(frozen=True, slots=True)
class TokenRequest:
    """A form to be POSTed."""

    url: str
    form: Mapping[str, str] = field(repr=False)


def sts_request(endpoint: str, token: str) -> TokenRequest:
    """AssumeRoleWithWebIdentity."""
    form = {
        "Action": "AssumeRoleWithWebIdentity",
        "Version": "2011-06-15",
        "RoleArn": ROLE_ARN,
        "RoleSessionName": SESSION_NAME,
        "WebIdentityToken": token,
    }
    return TokenRequest(endpoint, form)


def exchange_request(endpoint: str, token: str) -> TokenRequest:
    """Google's token exchange (RFC 8693)."""
    form = {
        "grant_type": "urn:ietf:params:oauth:grant-type:token-exchange",
        "audience": PROVIDER,
        "scope": "https://www.googleapis.com/auth/cloud-platform",
        "requested_token_type": "urn:ietf:params:oauth:token-type:access_token",
        "subject_token_type": _JWT,
        "subject_token": token,
    }
    return TokenRequest(f"{endpoint}/v1/token", form)


def entra_request(endpoint: str, token: str) -> TokenRequest:
    """Client credentials with a federated assertion."""
    form = {
        "client_id": APPLICATION,
        "scope": SCOPE,
        "grant_type": "client_credentials",
        "client_assertion_type": "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
        "client_assertion": token,
    }
    return TokenRequest(f"{endpoint}/{TENANT}/oauth2/v2.0/token", form)


def credential_configuration(endpoint: str, token_file: Path) -> dict[str, Any]:
    """The file by which Google's SDKs exchange a token and impersonate the account."""
    return {
        "type": "external_account",
        "audience": PROVIDER,
        "subject_token_type": _JWT,
        "token_url": f"{endpoint}/v1/token",
        "credential_source": {"file": str(token_file)},
        "service_account_impersonation_url": (
            f"{endpoint}/v1/projects/-/serviceAccounts/{EMAIL}:generateAccessToken"
        ),
    }


_JWT = "urn:ietf:params:oauth:token-type:jwt"


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
