"""Applications, and the variables and output that programs read."""

from __future__ import annotations

import json
import time
from datetime import datetime
from pathlib import PurePosixPath

import pytest

from spire_bridge.credentials.azure.application import Application, environment_file
from spire_bridge.credentials.azure.az_output import az_json, scope_of
from spire_bridge.credentials.azure.errors import InvalidAzureSetting

TENANT = "22222222-2222-2222-2222-222222222222"
CLIENT = "11111111-1111-1111-1111-111111111111"
FILE = PurePosixPath("/run/web/azure-token")


@pytest.mark.parametrize(
    ("authority", "url"),
    [
        ("https://login.microsoftonline.us/", "https://login.microsoftonline.us"),
        ("login.microsoftonline.us", "https://login.microsoftonline.us"),
        ("https://127.0.0.1:8443", "https://127.0.0.1:8443"),
        ("https://gateway.test/entra", "https://gateway.test/entra"),
    ],
)
def test_an_authority(authority: str, url: str) -> None:
    application = Application("contoso.onmicrosoft.com", CLIENT, authority)
    assert application.token_url == f"{url}/contoso.onmicrosoft.com/oauth2/v2.0/token"


def test_the_environment() -> None:
    assert environment_file(Application(TENANT, CLIENT), FILE).decode() == (
        "AZURE_AUTHORITY_HOST=https://login.microsoftonline.com/\n"
        f"AZURE_CLIENT_ID={CLIENT}\n"
        "AZURE_FEDERATED_TOKEN_FILE=/run/web/azure-token\n"
        f"AZURE_TENANT_ID={TENANT}\n"
    )


@pytest.mark.parametrize("path", ["token", "/run/a b", "/run/$HOME", "/run/a\nb", "/run/'a'"])
def test_a_path_that_a_shell_would_read_otherwise(path: str) -> None:
    with pytest.raises(InvalidAzureSetting, match="no plain absolute path"):
        environment_file(Application(TENANT, CLIENT), PurePosixPath(path))


@pytest.mark.parametrize("tenant", ["", "a/b", "..", "a b", "a?b", "tenant\n"])
def test_what_is_no_tenant(tenant: str) -> None:
    with pytest.raises(InvalidAzureSetting, match="tenant"):
        Application(tenant, CLIENT)


@pytest.mark.parametrize("client_id", ["", "a/b", "a b", "client\n"])
def test_what_is_no_client(client_id: str) -> None:
    with pytest.raises(InvalidAzureSetting, match="client ID"):
        Application(TENANT, client_id)


@pytest.mark.parametrize(
    "authority", ["", "ftp://a.test", "https://a b", "https://a.test?b", "https://u@a.test", "//a"]
)
def test_what_is_no_authority(authority: str) -> None:
    with pytest.raises(InvalidAzureSetting, match="authority"):
        Application(TENANT, CLIENT, authority)


@pytest.mark.parametrize("zone", ["UTC", "Asia/Kathmandu", "America/St_Johns"])
def test_what_az_prints(monkeypatch: pytest.MonkeyPatch, zone: str) -> None:
    monkeypatch.setenv("TZ", zone)
    time.tzset()
    try:
        content = json.loads(az_json("a token", 1_789_123_721, TENANT))
        written = content["expiresOn"]
        local = datetime.strptime(written, "%Y-%m-%d %H:%M:%S.%f")  # noqa: DTZ007 - as SDKs do
        assert local.timestamp() == content["expires_on"] == 1_789_123_721
    finally:
        monkeypatch.undo()
        time.tzset()
    assert list(content) == [
        *("accessToken", "expiresOn", "expires_on", "subscription", "tenant", "tokenType")
    ]
    assert content["subscription"] == content["tenant"] == TENANT
    assert content["tokenType"] == "Bearer"


def test_the_subscription_that_is_named() -> None:
    assert json.loads(az_json("a token", 0, TENANT, "mine"))["subscription"] == "mine"


def test_the_slash_of_a_resource_is_kept() -> None:
    assert scope_of("https://vault.azure.net") == "https://vault.azure.net/.default"
    assert scope_of("https://datalake.azure.net/") == "https://datalake.azure.net//.default"
