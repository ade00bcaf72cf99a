"""The credential configuration: what is written, and what is not."""

from __future__ import annotations

import json
from pathlib import PurePosixPath
from typing import Any

import pytest

from spire_bridge.credentials.google.configuration import (
    Configuration,
    ExecutableSource,
    FileSource,
    UrlSource,
)
from spire_bridge.credentials.google.errors import InvalidGoogleSetting
from spire_bridge.credentials.google.provider import Endpoints, Provider, ServiceAccount

NAME = "projects/123/locations/global/workloadIdentityPools/pool/providers/spire"
EMAIL = "web@project.iam.gserviceaccount.com"


def rendered(source: Any, account: ServiceAccount | None = None) -> Any:
    return json.loads(Configuration(Provider.parse(NAME), source, account).render())


def test_a_file_without_impersonation() -> None:
    assert rendered(FileSource(PurePosixPath("/run/token"))) == {
        "universe_domain": "googleapis.com",
        "type": "external_account",
        "audience": f"//iam.googleapis.com/{NAME}",
        "subject_token_type": "urn:ietf:params:oauth:token-type:jwt",
        "token_url": "https://sts.googleapis.com/v1/token",
        "credential_source": {"file": "/run/token"},
    }


def test_an_account_and_its_lifetime() -> None:
    source = FileSource(PurePosixPath("/run/token"), "jwt")
    content = rendered(source, ServiceAccount(EMAIL, 600))
    assert content["credential_source"]["format"] == {
        "type": "json",
        "subject_token_field_name": "jwt",
    }
    assert content["service_account_impersonation_url"] == (
        "https://iamcredentials.googleapis.com/v1/projects/-/serviceAccounts/"
        f"{EMAIL}:generateAccessToken"
    )
    assert content["service_account_impersonation"] == {"token_lifetime_seconds": 600}


def test_another_universe() -> None:
    endpoints = Endpoints.of("cloud.test")
    source = FileSource(PurePosixPath("/run/token"))
    written = Configuration(Provider.parse(NAME), source, None, "cloud.test", endpoints).render()
    content = json.loads(written)
    assert content["universe_domain"] == "cloud.test"
    assert content["token_url"] == "https://sts.cloud.test/v1/token"


def test_a_url_with_a_secret() -> None:
    source = UrlSource("http://127.0.0.1:8787/token", {"Authorization": "a secret"})
    assert rendered(source)["credential_source"] == {
        "url": "http://127.0.0.1:8787/token",
        "headers": {"Authorization": "a secret"},
    }
    assert "a secret" not in repr(source)


def test_an_executable() -> None:
    source = ExecutableSource("spire-bridge credential gcp", 5_000, PurePosixPath("/run/out.json"))
    assert rendered(source)["credential_source"] == {
        "executable": {
            "command": "spire-bridge credential gcp",
            "timeout_millis": 5_000,
            "output_file": "/run/out.json",
        }
    }


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: FileSource(PurePosixPath("token")), "absolute"),
        (lambda: UrlSource("http://metadata.example/token"), "neither https nor"),
        (lambda: UrlSource("ftp://127.0.0.1/token"), "neither https nor"),
        (lambda: UrlSource("https:///token"), "neither https nor"),
        (lambda: UrlSource("https://a:b/token"), "neither https nor"),
        (lambda: UrlSource("http://[::1/token"), "neither https nor"),
        (lambda: UrlSource("https://a.test/a b"), "neither https nor"),
        (lambda: UrlSource("https://a.test/", {"a b": "c"}), "no HTTP header"),
        (lambda: UrlSource("https://a.test/", {"a": "b\r\nc: d"}), "no HTTP header"),
        (lambda: ExecutableSource(" "), "no words"),
        (lambda: ExecutableSource("a 'b"), "without an end"),
        (lambda: ExecutableSource("a", 4_999), "timeout of 4999 ms"),
        (lambda: ExecutableSource("a", 120_001), "timeout of 120001 ms"),
        (lambda: ExecutableSource("a", 5_000, PurePosixPath("out")), "absolute"),
    ],
)
def test_what_no_sdk_takes(make: Any, said: str) -> None:
    with pytest.raises(InvalidGoogleSetting, match=said):
        make()
