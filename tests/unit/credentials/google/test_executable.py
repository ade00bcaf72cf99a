"""The executable's responses (AIP-4117)."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from clouds_under_test import NOW, token

from spire_bridge.credentials.google.errors import InvalidGoogleSetting
from spire_bridge.credentials.google.executable import SdkRequest, failure, kept, success
from spire_bridge.spiffe.jwt_svid import UnverifiedJwtSvid

NAME = "projects/123/locations/global/workloadIdentityPools/pool/providers/spire"
ID_TOKEN = "urn:ietf:params:oauth:token-type:id_token"
SVID = UnverifiedJwtSvid.parse(token())


def test_a_success() -> None:
    assert json.loads(success(SVID, SdkRequest())) == {
        "version": 1,
        "success": True,
        "token_type": "urn:ietf:params:oauth:token-type:jwt",
        "id_token": SVID.token,
        "expiration_time": NOW + 290,
    }


def test_a_failure() -> None:
    assert json.loads(failure("CODE", "a message")) == {
        "version": 1,
        "success": False,
        "code": "CODE",
        "message": "a message",
    }


def test_what_is_kept_is_asked_for_again_at_half_of_its_life() -> None:
    assert json.loads(kept(SVID, SdkRequest(), now=NOW))["expiration_time"] == NOW + 145


def test_what_an_sdk_asks_for() -> None:
    request = SdkRequest.of(
        {
            "GOOGLE_EXTERNAL_ACCOUNT_AUDIENCE": f"//iam.googleapis.com/{NAME}",
            "GOOGLE_EXTERNAL_ACCOUNT_TOKEN_TYPE": ID_TOKEN,
            "GOOGLE_EXTERNAL_ACCOUNT_OUTPUT_FILE": "/run/out.json",
        }
    )
    assert request.audience == f"https://iam.googleapis.com/{NAME}"
    assert request.output_file == Path("/run/out.json")
    assert json.loads(success(SVID, request))["token_type"] == ID_TOKEN
    assert SdkRequest.of({}) == SdkRequest()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("TOKEN_TYPE", "urn:ietf:params:oauth:token-type:saml2"),
        ("TOKEN_TYPE", "jwt"),
        ("AUDIENCE", "//iam.googleapis.com/locations/global/workforcePools/a/providers/b"),
    ],
)
def test_what_is_not_for_a_jwt_svid(name: str, value: str) -> None:
    with pytest.raises(InvalidGoogleSetting):
        SdkRequest.of({f"GOOGLE_EXTERNAL_ACCOUNT_{name}": value})
