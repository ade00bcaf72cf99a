"""What AWS can answer instead of credentials."""

from __future__ import annotations

from spire_bridge.credentials.retrying import TryAgain
from spire_bridge.errors import EXIT_USAGE, BridgeError


class AwsRefused(BridgeError):
    """AWS gives no credentials, for a reason that has no type of its own here."""

    code = "AWS_REFUSED"


class AccessDenied(AwsRefused):
    """The role does not admit this caller, or is not there: AWS does not tell which."""

    code = "AWS_ACCESS_DENIED"


class InvalidIdentityToken(AwsRefused):
    """The JWT-SVID is not one that AWS can take, or verify."""

    code = "AWS_INVALID_IDENTITY_TOKEN"


class ExpiredToken(AwsRefused):
    """The JWT-SVID had expired when AWS looked at it."""

    code = "AWS_EXPIRED_TOKEN"


class RejectedClaim(AwsRefused):
    """The identity provider rejected a claim."""

    code = "AWS_REJECTED_CLAIM"


class InvalidRequest(AwsRefused):
    """A parameter of the request is not one that AWS takes."""

    code = "AWS_REQUEST_INVALID"
    exit_status = EXIT_USAGE


class UnexpectedAnswer(AwsRefused):
    """What came back is neither credentials nor an error of AWS'."""

    code = "AWS_ANSWER_UNEXPECTED"


class UnsupportedKey(AwsRefused):
    """The X.509-SVID's key is of a kind that Roles Anywhere does not take."""

    code = "AWS_KEY_UNSUPPORTED"


class Throttled(TryAgain):
    """Too many calls from this account."""

    code = "AWS_THROTTLED"


class IssuerUnreachable(TryAgain):
    """AWS could not reach the issuer of the JWT-SVID to verify it."""

    code = "AWS_ISSUER_UNREACHABLE"


class ServiceUnavailable(TryAgain):
    """AWS has trouble of its own."""

    code = "AWS_UNAVAILABLE"
