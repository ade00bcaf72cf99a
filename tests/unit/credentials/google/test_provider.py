"""Names of providers and service accounts, and Google's endpoints."""

from __future__ import annotations

import pytest

from spire_bridge.credentials.google.errors import InvalidGoogleSetting
from spire_bridge.credentials.google.provider import Endpoints, Provider, ServiceAccount

NAME = "projects/123/locations/global/workloadIdentityPools/pool/providers/spire"


@pytest.mark.parametrize(
    "name", [NAME, f"//iam.googleapis.com/{NAME}", f"https://iam.googleapis.com/{NAME}"]
)
def test_each_spelling_of_a_name(name: str) -> None:
    provider = Provider.parse(name)
    assert provider.audience == f"//iam.googleapis.com/{NAME}"
    assert provider.token_audience == f"https://iam.googleapis.com/{NAME}"


@pytest.mark.parametrize(
    "name",
    [
        "",
        NAME.replace("123", "my-project"),
        NAME.replace("/global/", "/europe-west1/"),
        NAME.replace("/providers/spire", ""),
        f"{NAME}/",
        f"{NAME}\n",
        f"http://iam.googleapis.com/{NAME}",
        "//iam.googleapis.com/locations/global/workforcePools/pool/providers/spire",
    ],
)
def test_what_names_no_provider(name: str) -> None:
    with pytest.raises(InvalidGoogleSetting, match="no full name"):
        Provider.parse(name)


def test_the_endpoints_of_a_universe() -> None:
    endpoints = Endpoints.of("example-cloud.test")
    account = ServiceAccount("web@project.iam.gserviceaccount.com")
    assert endpoints.token_url == "https://sts.example-cloud.test/v1/token"
    assert endpoints.impersonation_url(account) == (
        "https://iamcredentials.example-cloud.test/v1/projects/-/serviceAccounts/"
        "web@project.iam.gserviceaccount.com:generateAccessToken"
    )


@pytest.mark.parametrize("domain", ["", "localhost", "a.b/c", "https://a.b", "A.B", "a..b"])
def test_what_is_no_universe(domain: str) -> None:
    with pytest.raises(InvalidGoogleSetting):
        Endpoints.of(domain)


@pytest.mark.parametrize("seconds", [0, 599, 43_201])
def test_lifetimes_that_google_refuses(seconds: int) -> None:
    with pytest.raises(InvalidGoogleSetting, match=f"{seconds} s"):
        ServiceAccount("web@project.iam.gserviceaccount.com", seconds)


@pytest.mark.parametrize("email", ["", "web", "web@", "a/b@c.d", "web@c.d:x", "web@c.d\n"])
def test_what_is_no_service_account(email: str) -> None:
    with pytest.raises(InvalidGoogleSetting, match="e-mail"):
        ServiceAccount(email)
