"""What Google's SDKs read from an executable (AIP-4117): version 1, for OIDC tokens. Pure."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

from spire_bridge.credentials.google.errors import InvalidGoogleSetting
from spire_bridge.credentials.google.provider import Provider
from spire_bridge.spiffe.jwt_svid import UnverifiedJwtSvid
from spire_bridge.value import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Self

TOKEN_TYPE_VARIABLE = "GOOGLE_EXTERNAL_ACCOUNT_TOKEN_TYPE"  # noqa: S105 - a name
AUDIENCE_VARIABLE = "GOOGLE_EXTERNAL_ACCOUNT_AUDIENCE"
OUTPUT_FILE_VARIABLE = "GOOGLE_EXTERNAL_ACCOUNT_OUTPUT_FILE"

JWT = "urn:ietf:params:oauth:token-type:jwt"
_TOKEN_TYPES = (JWT, "urn:ietf:params:oauth:token-type:id_token")


class SdkRequest(Value):
    """What the SDK wants, by the variables that it runs the executable with.

    `audience` is the token's, empty if the SDK did not name the provider.
    """

    token_type: str = JWT
    audience: str = ""
    output_file: Path | None = None

    @classmethod
    def of(cls, environment: Mapping[str, str]) -> Self:
        """Raises `InvalidGoogleSetting`."""
        token_type = environment.get(TOKEN_TYPE_VARIABLE) or JWT
        if token_type not in _TOKEN_TYPES:
            raise InvalidGoogleSetting(
                "the credential configuration asks for another type of token than a JWT",
                hint=f"set its subject_token_type to {JWT}",
            )
        audience, output = environment.get(AUDIENCE_VARIABLE), environment.get(OUTPUT_FILE_VARIABLE)
        return cls(
            token_type,
            Provider.parse(audience).token_audience if audience else "",
            Path(output) if output else None,
        )


def success(svid: UnverifiedJwtSvid, request: SdkRequest, *, until: int | None = None) -> str:
    """The token; the SDK uses it `until` then, or else until it expires."""
    return _response(
        success=True,
        token_type=request.token_type,
        id_token=svid.token,
        expiration_time=svid.expires_at if until is None else until,
    )


def kept(svid: UnverifiedJwtSvid, request: SdkRequest, *, now: float) -> str:
    """The same for the output file, which the SDK reads before it asks again.

    An access token lasts no longer than the token that it is for, so one that is kept to its end
    gets the SDK ever shorter ones: it is kept for half of what is left of it.
    """
    return success(svid, request, until=int(now + (svid.expires_at - now) / 2))


def failure(code: str, message: str) -> str:
    """Why there is none. SDKs show both, and only if the executable ends with status 0."""
    return _response(success=False, code=code, message=message)


def _response(**members: object) -> str:
    return json.dumps({"version": 1, **members})
