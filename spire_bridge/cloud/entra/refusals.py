"""What Entra answers, in its own words: the text after `AADSTS<number>: `.

The lines with trace ID, correlation ID and time belong to a response, and are no part of it.
"""

from __future__ import annotations

from spire_bridge.cloud.rule import Refusal

# The member `error` of the response. Responses of invalid_client were seen with status 401.
_INVALID_CLIENT = frozenset(
    {"70025", "700024", "700027", "700211", "700212", "700213", "700222", "7000272", "7002138"}
)
_UNAUTHORIZED_CLIENT = frozenset({"700016"})

_CHECK = (
    "Please check your federated identity credential Subject, Audience and Issuer against the"
    " presented assertion. https://docs.microsoft.com/en-us/azure/active-directory/develop/"
    "workload-identity-federation"
)


def oauth_error(code: str) -> str:
    """The OAuth 2.0 error (RFC 6749 section 5.2) that goes with a code such as AADSTS700211."""
    number = code.removeprefix("AADSTS")
    if number in _UNAUTHORIZED_CLIENT:
        return "unauthorized_client"
    return "invalid_client" if number in _INVALID_CLIENT else "invalid_request"


def refusal(number: int, text: str, *, assumed: bool = False) -> Refusal:
    code = f"AADSTS{number}"
    status = 401 if oauth_error(code) == "invalid_client" else 400
    return Refusal(code, text, status, assumed)


def unknown_tenant(tenant: str) -> Refusal:
    text = (
        f"Tenant '{tenant}' not found. This may happen if there are no active subscriptions for"
        " the tenant. Check to make sure you have the correct tenant ID. Check with your"
        " subscription administrator."
    )
    return refusal(90002, text)


def unknown_application(application: str, tenant: str) -> Refusal:
    text = (
        f"Application with identifier '{application}' was not found in the directory '{tenant}'."
        " This can happen if the application has not been installed by the administrator of the"
        " tenant or consented to by any user in the tenant. You may have sent your authentication"
        " request to the wrong tenant."
    )
    return refusal(700016, text)


def malformed() -> Refusal:
    return refusal(50027, "JWT token is invalid or malformed.")


def unsupported_algorithm(algorithm: str) -> Refusal:
    text = f"Invalid JWT token. '{algorithm}' is not a supported signature algorithm."
    # RS384 and others of RSA are refused in some answers and listed as supported in others.
    return refusal(5002738, text, assumed=algorithm[:2] in {"RS", "PS"})


def no_credentials(application: str, display_name: str) -> Refusal:
    text = (
        f"The client '{application}'({display_name}) has no configured federated identity"
        " credentials."
    )
    return refusal(70025, text)


def no_match(number: int, what: str, value: str, *, assumed: bool = False) -> Refusal:
    text = (
        "No matching federated identity record found for presented assertion"
        f" {what} '{value}'. {_CHECK}"
    )
    return refusal(number, text, assumed=assumed)


def case_differs(subject: str) -> Refusal:
    text = (
        "No matching federated identity record found for presented assertion subject"
        f" '{subject}'. The subject matches with case-insensitive comparison, but not with"
        " case-sensitive comparison. Check your federated identity credential Subject, Audience and"
        " Issuer against the presented assertion. See documentation at:"
        " https://learn.microsoft.com/entra/workload-id/workload-identity-federation. See breaking"
        " change notification and remediation at: https://learn.microsoft.com/en-us/entra/"
        "identity-platform/reference-breaking-changes#august-2024."
    )
    return refusal(7002138, text)


def application_key_unknown() -> Refusal:
    text = "Client assertion contains an invalid signature. [Reason - The key was not found.]"
    return refusal(700027, text)


def own_token() -> Refusal:
    return refusal(700222, "AAD-issued tokens may not be used for federated identity flows.")


def issuer_unreachable(*, assumed: bool = False) -> Refusal:
    return refusal(501661, "Request to External OIDC endpoint failed.", assumed=assumed)


def key_not_found(identifier: str, issuer: str, *, assumed: bool = False) -> Refusal:
    text = (
        f"The certificate with identifier {identifier} used to sign the federated credential could"
        f" not be found in the metadata of identity provider {issuer}. Please validate that your"
        " Identity Provider's metadata exposes the key used to sign the incoming token."
    )
    return refusal(7000272, text, assumed=assumed)


def bad_signature() -> Refusal:
    return refusal(700027, "Client assertion contains an invalid signature.", assumed=True)


def out_of_time(now: str, valid_from: str, expiry: str, *, assumed: bool = False) -> Refusal:
    text = (
        f"Client assertion is not within its valid time range. Current time: {now}, assertion valid"
        f" from {valid_from}, expiry time of assertion {expiry}. Review the documentation at"
        " https://learn.microsoft.com/entra/identity-platform/certificate-credentials ."
    )
    return refusal(700024, text, assumed=assumed)
