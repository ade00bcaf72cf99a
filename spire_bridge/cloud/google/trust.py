"""A workload identity pool provider, and the service account behind it, as gcloud prints them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

from spire_bridge.cloud import cel_functions
from spire_bridge.cloud.cel import Expression, compile_expression
from spire_bridge.cloud.google import limits
from spire_bridge.cloud.google.iam_policy import IamPolicy
from spire_bridge.cloud.issuer_documents import IssuerDocuments
from spire_bridge.cloud.trust_json import TrustObject

SUBJECT = "google.subject"
GROUPS = "google.groups"
RESOURCE_PREFIX = "//iam.googleapis.com/"

_PROVIDER = re.compile(
    r"projects/[^/]+/locations/global/workloadIdentityPools/[^/]+/providers/[^/]+"
)
_ATTRIBUTE = re.compile(r"google\.[a-z_]+|attribute\.[a-z0-9_]+")
_IMPERSONATION = re.compile(r".*/serviceAccounts/([^/:]+):generateAccessToken")
_DEFAULT_TOKEN_SECONDS = 3_600


@dataclass(frozen=True, slots=True)
class ServiceAccount:
    """Whom the workload is to impersonate. `policy` is None if it was not described."""

    email: str
    disabled: bool
    policy: IamPolicy | None
    token_seconds: int


@dataclass(frozen=True, slots=True)
class GoogleTrust:
    """A provider in its pool; `exchange_audience` is what the token request names it by.

    `audiences` are those that a token may have: the allowed ones, which replace the default,
    the provider's own name with and without its scheme. `uploaded_keys` stand in for the issuer's
    own, which Google then does not fetch.
    """

    name: str
    provider: str
    pool: str
    enabled: bool
    issuer: str
    allowed_audiences: tuple[str, ...]
    audiences: tuple[str, ...]
    exchange_audience: str
    mapping: Mapping[str, Expression]
    condition: Expression | None
    uploaded_keys: IssuerDocuments | None
    service_account: ServiceAccount | None


def parse_trust(data: bytes, *, name: str) -> GoogleTrust:
    """Reads the JSON of `gcloud iam workload-identity-pools providers describe`, or an object
    with it as `provider` and beside it any of

    - `serviceAccount`: an e-mail address, or the JSON of `gcloud iam service-accounts describe`
    - `iamPolicy`: the JSON of `gcloud iam service-accounts get-iam-policy`
    - `credentialConfiguration`: the file of type external_account that the workload uses.

    Raises `InvalidTrust`.
    """
    whole = TrustObject.read(data, name=name)
    provider = whole.object("provider") if whole.has("provider") else whole
    resource = provider.text("name").removeprefix(RESOURCE_PREFIX)
    if not _PROVIDER.fullmatch(resource):
        raise provider.wrong("name", "is no full name of a workload identity pool provider")
    if not provider.has("oidc"):
        raise provider.wrong("oidc", "is missing: only OIDC providers take tokens of an issuer")
    oidc = provider.object("oidc")
    configuration = (
        whole.object("credentialConfiguration") if whole.has("credentialConfiguration") else None
    )
    uploaded = oidc.optional_text("jwksJson")
    own = RESOURCE_PREFIX + resource
    allowed = _allowed_audiences(oidc)
    return GoogleTrust(
        name=name,
        provider=resource,
        pool=resource.partition("/providers/")[0],
        enabled=not provider.flag("disabled")
        and provider.optional_text("state") in {"", "ACTIVE", "STATE_UNSPECIFIED"},
        issuer=_issuer(oidc, uploaded=bool(uploaded)),
        allowed_audiences=allowed,
        audiences=allowed or (own, f"https:{own}"),
        exchange_audience=configuration.text("audience") if configuration else own,
        mapping=_mapping(provider),
        condition=_condition(provider),
        uploaded_keys=IssuerDocuments.read(b"{}", uploaded.encode()) if uploaded else None,
        service_account=_service_account(whole, configuration),
    )


def _issuer(oidc: TrustObject, *, uploaded: bool) -> str:
    issuer = oidc.text("issuerUri")
    try:
        scheme = urlsplit(issuer).scheme
    except ValueError:
        raise oidc.wrong("issuerUri", "is no URL") from None
    if scheme != "https" and not uploaded:
        raise oidc.wrong("issuerUri", "is no https URL, and no keys are uploaded in its stead")
    return issuer


def _allowed_audiences(oidc: TrustObject) -> tuple[str, ...]:
    audiences = oidc.texts("allowedAudiences")
    if len(audiences) > limits.MAX_AUDIENCES:
        raise oidc.wrong(
            "allowedAudiences",
            f"has {len(audiences)} audiences; {limits.MAX_AUDIENCES} are allowed",
        )
    if any(len(audience) > limits.MAX_AUDIENCE_CHARACTERS for audience in audiences):
        raise oidc.wrong(
            "allowedAudiences",
            f"has an audience of more than {limits.MAX_AUDIENCE_CHARACTERS} characters",
        )
    return audiences


def _mapping(provider: TrustObject) -> dict[str, Expression]:
    mapping = provider.object("attributeMapping")
    if not mapping.has(SUBJECT):
        raise provider.wrong("attributeMapping", f"has no {SUBJECT}, which is required")
    texts = {key: mapping.text(key) for key in mapping.members}
    for key in texts:
        attribute = key.partition(".")[2]
        if not _ATTRIBUTE.fullmatch(key) or len(attribute) > limits.MAX_ATTRIBUTE_NAME_CHARACTERS:
            raise mapping.wrong(key, "is no attribute: google.subject, google.groups, attribute.x")
    if sum(key.startswith("attribute.") for key in texts) > limits.MAX_ATTRIBUTES:
        raise provider.wrong(
            "attributeMapping", f"has more than {limits.MAX_ATTRIBUTES} attributes"
        )
    if sum(len(key) + len(text.encode()) for key, text in texts.items()) > limits.MAX_MAPPING_BYTES:
        raise provider.wrong("attributeMapping", f"is over {limits.MAX_MAPPING_BYTES} bytes")
    return {
        key: compile_expression(
            text,
            name=provider.name,
            place=mapping.at(key),
            roots={"assertion"},
            functions=cel_functions.GOOGLE,
            max_characters=limits.MAX_EXPRESSION_CHARACTERS,
        )
        for key, text in texts.items()
    }


def _condition(provider: TrustObject) -> Expression | None:
    text = provider.optional_text("attributeCondition")
    if not text.strip():
        return None
    return compile_expression(
        text,
        name=provider.name,
        place=provider.at("attributeCondition"),
        roots={"assertion", "google", "attribute"},
        functions=cel_functions.GOOGLE,
        max_characters=limits.MAX_CONDITION_CHARACTERS,
    )


def _service_account(
    whole: TrustObject, configuration: TrustObject | None
) -> ServiceAccount | None:
    email, disabled = "", False
    if isinstance(whole.members.get("serviceAccount"), dict):
        described = whole.object("serviceAccount")
        email, disabled = described.text("email"), described.flag("disabled")
    else:
        email = whole.optional_text("serviceAccount")
    seconds = _DEFAULT_TOKEN_SECONDS
    if configuration is not None and configuration.has("service_account_impersonation_url"):
        impersonated = _impersonated(configuration)
        if email and email != impersonated:
            raise configuration.wrong(
                "service_account_impersonation_url", f"is of {impersonated}, not of {email}"
            )
        email = impersonated
        seconds = _token_seconds(configuration)
    policy = IamPolicy.read(whole.object("iamPolicy")) if whole.has("iamPolicy") else None
    if policy is not None and not email:
        raise whole.wrong("iamPolicy", "is of no service account that is described")
    return ServiceAccount(email, disabled, policy, seconds) if email else None


def _impersonated(configuration: TrustObject) -> str:
    url = configuration.text("service_account_impersonation_url")
    match = _IMPERSONATION.fullmatch(url)
    if match is None:
        raise configuration.wrong(
            "service_account_impersonation_url", "names no generateAccessToken of an account"
        )
    return match[1]


def _token_seconds(configuration: TrustObject) -> int:
    if not configuration.has("service_account_impersonation"):
        return _DEFAULT_TOKEN_SECONDS
    options = configuration.object("service_account_impersonation")
    seconds = options.members.get("token_lifetime_seconds", _DEFAULT_TOKEN_SECONDS)
    if isinstance(seconds, bool) or not isinstance(seconds, int):
        raise options.wrong("token_lifetime_seconds", "is no number of seconds")
    return seconds
