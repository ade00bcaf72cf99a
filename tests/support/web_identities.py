"""A role at AWS, an issuer, and tokens for it that are wrong in one thing each."""

from __future__ import annotations

import json
from typing import Any

from forgery.tokens import ec_key, jwk, jwk_set, rsa_key, signed

from spire_bridge.cloud.aws.sts import AwsTrust, evaluate, parse_trust
from spire_bridge.cloud.issuer_documents import IssuerDocuments
from spire_bridge.cloud.presentation import Presentation
from spire_bridge.cloud.presented_token import PresentedToken
from spire_bridge.cloud.rule import Verdict

HOST = "issuer.example.org"
ISSUER = f"https://{HOST}"
ACCOUNT = "123456789012"
PROVIDER_ARN = f"arn:aws:iam::{ACCOUNT}:oidc-provider/{HOST}"
ROLE_ARN = f"arn:aws:iam::{ACCOUNT}:role/payments/api"
AUDIENCE = "sts.amazonaws.com"
SUBJECT = "spiffe://example.org/ns/payments/sa/api"
NOW = 1_789_123_721

KEY = rsa_key("web identity")
OTHER_KEY = rsa_key("another's web identity")
KEY_ID = "one"
EC_KEY = ec_key(7)
JWK = jwk(KEY, kid=KEY_ID, use="sig", alg="RS256")

CLAIMS: dict[str, Any] = {
    "iss": ISSUER,
    "sub": SUBJECT,
    "aud": [AUDIENCE],
    "iat": NOW - 10,
    "exp": NOW + 290,
}
HEADER: dict[str, Any] = {"alg": "RS256", "kid": KEY_ID, "typ": "JWT"}


def without(name: str, claims: dict[str, Any] = CLAIMS) -> dict[str, Any]:
    return {key: value for key, value in claims.items() if key != name}


def token(claims: dict[str, Any] | bytes | None = None, **header: Any) -> str:
    """A token of the issuer with these claims and more in its header; None takes a member out."""
    merged = {k: v for k, v in {**HEADER, **header}.items() if v is not None}
    algorithm = "RS256" if merged["alg"] not in ("RS384", "RS512", "PS256") else merged["alg"]
    return signed(KEY, merged, CLAIMS if claims is None else claims, algorithm)


def documents(*keys: dict[str, Any]) -> IssuerDocuments:
    discovery = json.dumps({"issuer": ISSUER, "jwks_uri": f"{ISSUER}/keys"}).encode()
    return IssuerDocuments.read(discovery, jwk_set(*(keys or (JWK,))))


def statement(**members: Any) -> dict[str, Any]:
    """A statement that allows the issuer's web identities in; more members replace its own."""
    return {
        "Effect": "Allow",
        "Principal": {"Federated": PROVIDER_ARN},
        "Action": "sts:AssumeRoleWithWebIdentity",
        **members,
    }


PINNED = {"StringEquals": {f"{HOST}:sub": SUBJECT, f"{HOST}:aud": AUDIENCE}}


def policy(*statements: dict[str, Any], version: str = "2012-10-17") -> dict[str, Any]:
    return {"Version": version, "Statement": list(statements or (statement(Condition=PINNED),))}


def described(document: Any = None, **more: Any) -> dict[str, Any]:
    """What `aws iam get-role` and `get-open-id-connect-provider` print, in one object."""
    role = {
        "Path": "/payments/",
        "RoleName": "api",
        "Arn": ROLE_ARN,
        "AssumeRolePolicyDocument": policy() if document is None else document,
        "MaxSessionDuration": 7200,
    }
    provider = {"Url": HOST, "ClientIDList": [AUDIENCE, "another"], "ThumbprintList": []}
    return {"role": {"Role": role}, "provider": provider, **more}


def trust(*statements: dict[str, Any], request: dict[str, Any] | None = None) -> AwsTrust:
    more = {"request": request} if request else {}
    return read(described(policy(*statements), **more))


def read(description: Any) -> AwsTrust:
    return parse_trust(json.dumps(description).encode(), name="role.json")


def asked(
    text: str | bytes | None = None,
    trusted: AwsTrust | None = None,
    *,
    keys: IssuerDocuments | None = None,
    now: float = NOW,
) -> Verdict:
    """What STS says to a token: the good one, the good role and the good issuer by default."""
    presented = PresentedToken.read(token() if text is None else text)
    return evaluate(Presentation(presented, keys or documents(), now), trusted or trust())


def condition(**operators: dict[str, Any]) -> AwsTrust:
    """A role whose trust policy has these conditions; `__` in a name stands for a colon."""
    block = {name.replace("__", ":"): keys for name, keys in operators.items()}
    return trust(statement(Condition=block))
