"""The clouds' own SDKs, unmodified, against the model clouds: let in, and refused in our words."""

from __future__ import annotations

import asyncio
import json
import re
import ssl
import sys
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from command_line import environment
from first_run import developing
from verifiers.issuers import SandboxIssuer, sandbox_issuer
from verifiers.peer import SUBJECT
from verifiers.private_ca import PrivateCa

from spire_bridge.cloud.issuer_documents import IssuerDocuments
from spire_bridge.models.certificate import LoopbackCertificate
from spire_bridge.models.issuer_cache import IssuerCache
from spire_bridge.models.model_clouds import ModelAddresses, model_clouds
from spire_bridge.models.surroundings import Surroundings
from spire_bridge.sandbox.jwt_authority import KeyType
from spire_bridge.service.dev.cloud_accounts import (
    APPLICATION,
    AUDIENCE,
    EMAIL,
    ENTRA_AUDIENCE,
    PROVIDER,
    ROLE_ARN,
    SCOPE,
    TENANT,
    Descriptions,
)
from spire_bridge.service.trust.issuer_reading import IssuerReader

pytestmark = [pytest.mark.asyncio(loop_scope="module")]

OTHER = "spiffe://peers.test/other"


@dataclass(frozen=True, slots=True)
class Clouds:
    issuer: SandboxIssuer
    addresses: ModelAddresses
    ca: Path


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def clouds(tls: PrivateCa, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Clouds]:
    """They trust an issuer over TLS, which they discover by its URL."""
    reader = IssuerReader(5.0, ssl.create_default_context(cafile=tls.ca))

    def discover(url: str) -> IssuerDocuments:
        return reader.read_named(url).documents

    certificate = LoopbackCertificate.create(tmp_path_factory.mktemp("clouds"))
    async with sandbox_issuer(KeyType.RSA_2048, tls=tls) as issuer:
        trust = Descriptions.of(issuer.url, SUBJECT).trust()
        around = Surroundings(IssuerCache(discover))
        async with model_clouds(trust, around, certificate) as addresses:
            yield Clouds(issuer, addresses, certificate.authority)


@pytest.fixture
def token_file(tmp_path: Path) -> Path:
    return tmp_path / "token"


@pytest.fixture(autouse=True)
def no_other_credentials(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Nothing of whoever runs the tests, and no proxy."""
    for name in (
        *("AWS_PROFILE", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"),
        *("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"),
    ):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")


Aws = Callable[[str], Any]


@pytest.fixture
def aws(clouds: Clouds, token_file: Path, monkeypatch: pytest.MonkeyPatch) -> Aws:
    """boto3's credentials for a token, by the variables that a workload on EKS is given."""
    boto3 = pytest.importorskip("boto3", reason="boto3 is not installed")
    monkeypatch.setenv("AWS_ENDPOINT_URL_STS", clouds.addresses.http)
    monkeypatch.setenv("AWS_REGION", "eu-central-1")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-central-1")
    monkeypatch.setenv("AWS_ROLE_ARN", ROLE_ARN)
    monkeypatch.setenv("AWS_ROLE_SESSION_NAME", "session")
    monkeypatch.setenv("AWS_WEB_IDENTITY_TOKEN_FILE", str(token_file))

    def credentials(token: str) -> Any:
        token_file.write_text(token)
        return boto3.session.Session().get_credentials().get_frozen_credentials()

    return credentials


async def test_boto3_assumes_the_role(clouds: Clouds, aws: Aws) -> None:
    credentials = await asyncio.to_thread(aws, clouds.issuer.token(aud=[AUDIENCE]))
    assert credentials.access_key.startswith("ASIA")
    assert credentials.token


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        (
            {"aud": ["other"]},
            r"\(InvalidIdentityToken\).*: The web identity token provided could not be validated",
        ),
        (
            {"aud": [AUDIENCE], "sub": OTHER},
            r"\(AccessDenied\).*: Not authorized to perform sts:AssumeRoleWithWebIdentity",
        ),
        ({"aud": [AUDIENCE], "iat": 1, "exp": 2}, r"\(ExpiredTokenException\).*: Token expired: "),
        (
            {"aud": [AUDIENCE], "iss": "https://evil.example"},
            "No OpenIDConnect provider found in your account for https://evil.example",
        ),
    ],
)
async def test_boto3_says_why_it_was_refused(
    clouds: Clouds, aws: Aws, changes: dict[str, Any], said: str
) -> None:
    exceptions = pytest.importorskip("botocore.exceptions")
    with pytest.raises(exceptions.ClientError, match=said):
        await asyncio.to_thread(aws, clouds.issuer.token(**changes))


Google = Callable[[str], Any]


@pytest.fixture(params=[False, True], ids=["exchange", "impersonation"])
def google(request: pytest.FixtureRequest, clouds: Clouds, token_file: Path) -> Google:
    """google-auth's credentials by a file of type external_account, refreshed once."""
    pool = pytest.importorskip("google.auth.identity_pool", reason="google-auth is not installed")
    transport = pytest.importorskip("google.auth.transport.requests")
    configuration = {
        "type": "external_account",
        "audience": PROVIDER,
        "subject_token_type": "urn:ietf:params:oauth:token-type:jwt",
        "token_url": f"{clouds.addresses.http}/v1/token",
        "credential_source": {"file": str(token_file)},
    }
    if request.param:
        configuration["service_account_impersonation_url"] = (
            f"{clouds.addresses.http}/v1/projects/-/serviceAccounts/{EMAIL}:generateAccessToken"
        )
    file = token_file.with_name("google.json")
    file.write_text(json.dumps(configuration))

    def credentials(token: str) -> Any:
        token_file.write_text(token)
        scopes = ["https://www.googleapis.com/auth/cloud-platform"]
        found = pool.Credentials.from_file(str(file), scopes=scopes)
        with transport.requests.Session() as session:
            found.refresh(transport.Request(session))
        return found

    return credentials


async def test_google_auth_gets_a_token(clouds: Clouds, google: Google) -> None:
    credentials = await asyncio.to_thread(google, clouds.issuer.token(aud=[AUDIENCE]))
    assert credentials.token.startswith("ya29.model.")
    assert credentials.valid


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        (
            {"aud": ["other"]},
            "invalid_grant: The audience in ID Token .other. does not match the expected audience.",
        ),
        ({"aud": [AUDIENCE], "iat": 1, "exp": 2}, "ID Token issued at 1 is stale to sign-in."),
    ],
)
async def test_google_auth_says_why_it_was_refused(
    clouds: Clouds, google: Google, changes: dict[str, Any], said: str
) -> None:
    exceptions = pytest.importorskip("google.auth.exceptions")
    with pytest.raises(exceptions.OAuthError, match=said):
        await asyncio.to_thread(google, clouds.issuer.token(**changes))


@pytest.mark.parametrize("google", [True], indirect=True)
async def test_google_auth_says_who_may_not_impersonate(clouds: Clouds, google: Google) -> None:
    exceptions = pytest.importorskip("google.auth.exceptions")
    said = r"iam\.serviceAccounts\.getAccessToken.* denied on resource .*PERMISSION_DENIED"
    with pytest.raises(exceptions.RefreshError, match=said):
        await asyncio.to_thread(google, clouds.issuer.token(aud=[AUDIENCE], sub=OTHER))


Azure = Callable[[str], Any]


@pytest.fixture
def azure(clouds: Clouds, token_file: Path, monkeypatch: pytest.MonkeyPatch) -> Azure:
    """A token of azure-identity's, by the variables that a workload on AKS is given."""
    identity = pytest.importorskip("azure.identity", reason="azure-identity is not installed")
    monkeypatch.setenv("AZURE_AUTHORITY_HOST", clouds.addresses.https)
    monkeypatch.setenv("AZURE_TENANT_ID", TENANT)
    monkeypatch.setenv("AZURE_CLIENT_ID", APPLICATION)
    monkeypatch.setenv("AZURE_FEDERATED_TOKEN_FILE", str(token_file))
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(clouds.ca))

    def token(assertion: str) -> Any:
        token_file.write_text(assertion)
        with identity.WorkloadIdentityCredential(retry_total=0) as credential:
            return credential.get_token(SCOPE)

    return token


async def test_azure_identity_gets_a_token(clouds: Clouds, azure: Azure) -> None:
    token = await asyncio.to_thread(azure, clouds.issuer.token(aud=[ENTRA_AUDIENCE]))
    assert token.token.startswith("model.")


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        (
            {"aud": [AUDIENCE]},
            "AADSTS700212: No matching .* assertion audience 'demo'.* Trace ID: .* Timestamp: ",
        ),
        ({"aud": [ENTRA_AUDIENCE], "sub": OTHER}, "AADSTS700213: "),
        ({"aud": [ENTRA_AUDIENCE], "iat": 1, "exp": 2}, "AADSTS700024: Client assertion is not"),
    ],
)
async def test_azure_identity_says_why_it_was_refused(
    clouds: Clouds, azure: Azure, changes: dict[str, Any], said: str
) -> None:
    exceptions = pytest.importorskip("azure.core.exceptions")
    with pytest.raises(exceptions.ClientAuthenticationError, match=said):
        await asyncio.to_thread(azure, clouds.issuer.token(**changes))


async def test_msal_finds_the_token_endpoint_by_itself(
    clouds: Clouds, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The library beneath most of Azure's SDKs; it too is told the refusal's number and words."""
    msal = pytest.importorskip("msal", reason="msal is not installed")
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(clouds.ca))
    assertions = {name: clouds.issuer.token(aud=[name]) for name in (ENTRA_AUDIENCE, AUDIENCE)}

    def asked(assertion: str) -> Any:
        application = msal.ConfidentialClientApplication(
            APPLICATION,
            authority=f"{clouds.addresses.https}/{TENANT}",
            client_credential={"client_assertion": lambda: assertion},
            instance_discovery=False,
        )
        return application.acquire_token_for_client([SCOPE])

    accepted = await asyncio.to_thread(asked, assertions[ENTRA_AUDIENCE])
    assert accepted["access_token"].startswith("model.")
    refused = await asyncio.to_thread(asked, assertions[AUDIENCE])
    assert refused["error_codes"] == [700212]
    assert refused["error_description"].startswith("AADSTS700212: No matching federated identity")


async def test_a_key_that_was_added_is_found(clouds: Clouds, aws: Aws) -> None:
    """The key set is asked for again, by a token of a key that is not in the one that was kept."""
    await asyncio.to_thread(aws, clouds.issuer.token(aud=[AUDIENCE]))
    authority = clouds.issuer.sandbox.jwt
    key_id = authority.prepare()
    await clouds.issuer.until(lambda keys: key_id in keys)
    authority.activate()
    await asyncio.sleep(1.1)  # the models look again once a second at most
    credentials = await asyncio.to_thread(aws, clouds.issuer.token(aud=[AUDIENCE]))
    assert credentials.token


# What a newcomer would write, with nothing but the printed environment to go by.
PROGRAM = """
import boto3, google.auth, google.auth.transport.requests
from azure.identity import WorkloadIdentityCredential

print(boto3.session.Session().get_credentials().get_frozen_credentials().access_key[:4])
scopes = ["https://www.googleapis.com/auth/cloud-platform"]
credentials, _ = google.auth.default(scopes=scopes)
credentials.refresh(google.auth.transport.requests.Request())
print(credentials.token[:10])
with WorkloadIdentityCredential() as credential:
    print(credential.get_token("https://vault.azure.net/.default").token[:5])
"""


async def test_the_first_run_points_the_sdks_at_its_clouds() -> None:
    for package in ("boto3", "google.auth", "azure.identity"):
        pytest.importorskip(package, reason=f"{package} is not installed")
    async with developing("--clouds") as shown:
        variables = dict(re.findall(r"(?m)^  #   (\w+)=(.+)$", shown))
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-W", "ignore", "-c", PROGRAM),
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            env=environment(**variables),
        )
        async with asyncio.timeout(45):
            out, err = await process.communicate()
    assert err.decode() == ""
    assert out.decode().split() == ["ASIA", "ya29.model", "model"]
