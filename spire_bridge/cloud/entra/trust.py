"""An application's federated identity credentials, as Microsoft Graph returns them."""

from __future__ import annotations

from dataclasses import dataclass

from spire_bridge.cloud.entra import limits
from spire_bridge.cloud.trust_json import TrustObject


@dataclass(frozen=True, slots=True)
class FederatedCredential:
    """One credential. `expression` is that of a flexible one, whose `subject` is empty then."""

    name: str
    issuer: str
    subject: str
    audiences: tuple[str, ...]
    expression: str


@dataclass(frozen=True, slots=True)
class TokenRequest:
    """What the workload is configured to ask for; empty where that was not described."""

    tenant: str
    client_id: str
    scope: str


@dataclass(frozen=True, slots=True)
class EntraTrust:
    """An application; its ID, name and tenant are empty where they were not described."""

    name: str
    tenant: str
    application: str
    display_name: str
    credentials: tuple[FederatedCredential, ...]
    request: TokenRequest


def parse_trust(data: bytes, *, name: str) -> EntraTrust:
    """Reads a federated identity credential as Graph's JSON, Graph's list of them, the array
    of `az ad app federated-credential list`, or an object with `federatedIdentityCredentials`
    (any of these lists) and beside it any of

    - `application`: Graph's application, for its `appId` and `displayName`
    - `tenant`: an object with the tenant's `id`
    - `request`: what the workload asks for: `tenant`, `client_id`, `scope`.

    Raises `InvalidTrust`.
    """
    if data.lstrip().startswith(b"["):
        data = b'{"value": %s}' % data
    whole = TrustObject.read(data, name=name)
    application = whole.optional_object("application")
    tenant = whole.optional_object("tenant")
    request = whole.optional_object("request")
    credentials = tuple(_credential(item) for item in _listed(whole))
    if len(credentials) > limits.MAX_CREDENTIALS:
        raise whole.wrong(
            "federatedIdentityCredentials",
            f"has {len(credentials)} credentials; {limits.MAX_CREDENTIALS} are allowed",
        )
    _refuse_doubles(whole, credentials)
    return EntraTrust(
        name=name,
        tenant=tenant.optional_text("id"),
        application=application.optional_text("appId"),
        display_name=application.optional_text("displayName"),
        credentials=credentials,
        request=TokenRequest(
            request.optional_text("tenant"),
            request.optional_text("client_id"),
            request.optional_text("scope"),
        ),
    )


def _listed(whole: TrustObject) -> tuple[TrustObject, ...]:
    if isinstance(whole.members.get("federatedIdentityCredentials"), dict):
        return whole.object("federatedIdentityCredentials").objects("value")
    if whole.has("federatedIdentityCredentials"):
        return whole.objects("federatedIdentityCredentials")
    if whole.has("value"):
        return whole.objects("value")
    return (whole,)


def _credential(item: TrustObject) -> FederatedCredential:
    expression = item.optional_object("claimsMatchingExpression").optional_text("value")
    audiences = item.texts("audiences") or (limits.DEFAULT_AUDIENCE,)
    if len(audiences) > limits.MAX_AUDIENCES:
        raise item.wrong("audiences", f"has {len(audiences)} audiences; one is allowed")
    credential = FederatedCredential(
        name=item.optional_text("name"),
        issuer=item.text("issuer"),
        subject="" if expression else item.text("subject"),
        audiences=audiences,
        expression=expression,
    )
    for member, value in (
        ("issuer", credential.issuer),
        ("subject", credential.subject),
        ("audiences", audiences[0]),
    ):
        if len(value) > limits.MAX_FIELD_CHARACTERS:
            raise item.wrong(
                member,
                f"has {len(value)} characters; {limits.MAX_FIELD_CHARACTERS} are allowed",
            )
    return credential


def _refuse_doubles(whole: TrustObject, credentials: tuple[FederatedCredential, ...]) -> None:
    seen: set[tuple[str, str]] = set()
    for credential in credentials:
        pair = (credential.issuer, credential.subject)
        if credential.subject and pair in seen:
            raise whole.wrong(
                "federatedIdentityCredentials",
                f"two have the same issuer and the subject {credential.subject}",
            )
        seen.add(pair)
