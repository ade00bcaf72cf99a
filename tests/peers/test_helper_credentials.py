"""The clouds' own SDKs on what the helper keeps for them, or serves: let in, and refused."""

from __future__ import annotations

import importlib.util
import json
import shutil
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from child_process import free_port
from command_line import Ended
from first_run import Clouds, developing_with_clouds
from helper_at_work import HelperConfig, helping
from programs.client import run_client, script

from spire_bridge.service.dev.cloud_accounts import AUDIENCE, PROJECT, PROVIDER, REGION, ROLE_ARN

pytestmark = [pytest.mark.asyncio(loop_scope="module")]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def clouds() -> AsyncIterator[Clouds]:
    async with developing_with_clouds() as clouds:
        yield clouds


async def client(name: str, home: Path, **variables: str) -> Ended:
    """Runs one of tests/peers/programs."""
    return await run_client(script(name), home, **variables)


def endpoint(clouds: Clouds) -> str:
    """Where the model clouds of AWS and Google answer."""
    return clouds.variables["AWS_ENDPOINT_URL_STS"]


def session(clouds: Clouds, audience: str) -> dict[str, Any]:
    return {
        "role_arn": ROLE_ARN,
        "audience": audience,
        "region": REGION,
        "endpoint": endpoint(clouds),
    }


def needs(package: str) -> pytest.MarkDecorator:
    missing = importlib.util.find_spec(package.split(".")[0]) is None
    return pytest.mark.skipif(missing, reason=f"{package} is not installed")


@needs("boto3")
async def test_boto3_reads_what_is_kept_and_asks_what_is_served(
    clouds: Clouds, tmp_path: Path
) -> None:
    port, file, secret = free_port(), tmp_path / "credentials", tmp_path / "authorization"
    served = {"address": f"127.0.0.1:{port}", "authorization": {"path": str(secret)}}
    outputs: list[dict[str, Any]] = [
        {"name": "file", "aws": session(clouds, AUDIENCE), "path": str(file)},
        {"name": "served", "aws": session(clouds, AUDIENCE), "endpoint": served},
    ]
    by_file = {"AWS_SHARED_CREDENTIALS_FILE": str(file)}
    by_url = {
        "AWS_CONTAINER_CREDENTIALS_FULL_URI": f"http://127.0.0.1:{port}/aws/credentials",
        "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE": str(secret),
    }
    async with helping(HelperConfig(tmp_path, clouds.agent, outputs)) as helper:
        await helper.until_logged("all outputs are written")
        for variables in (by_file, by_url):
            ended = await client("aws.py", tmp_path, **variables)
            assert (ended.status, ended.out) == (0, "ASIA\n"), ended.err
        wrong = tmp_path / "wrong"
        wrong.write_text("another secret")
        refused = {**by_url, "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE": str(wrong)}
        ended = await client("aws.py", tmp_path, **refused)
        assert ended.status != 0
        assert "401" in ended.err or "not the token of this endpoint" in ended.err, ended.err


@needs("boto3")
async def test_what_sts_refuses_is_not_there_for_boto3(clouds: Clouds, tmp_path: Path) -> None:
    file = tmp_path / "credentials"
    outputs = [{"name": "file", "aws": session(clouds, "other"), "path": str(file)}]
    async with helping(HelperConfig(tmp_path, clouds.agent, outputs)) as helper:
        entry = await helper.until_logged("output was not renewed")
        assert entry["code"] == "AWS_INVALID_IDENTITY_TOKEN"
        ended = await client("aws.py", tmp_path, AWS_SHARED_CREDENTIALS_FILE=str(file))
    assert ended.status != 0


@needs("google.auth")
@pytest.mark.parametrize("audience", [AUDIENCE, "other"], ids=["accepted", "refused"])
async def test_google_auth_asks_a_url(clouds: Clouds, tmp_path: Path, audience: str) -> None:
    port, secret = free_port(), tmp_path / "authorization"
    served = {"address": f"127.0.0.1:{port}", "authorization": {"path": str(secret)}}
    outputs = [{"name": "google", "jwt": {"audience": [audience]}, "endpoint": served}]
    async with helping(HelperConfig(tmp_path, clouds.agent, outputs)) as helper:
        await helper.until_logged("all outputs are written")
        file = tmp_path / "google.json"
        file.write_text(json.dumps(google(clouds, f"http://127.0.0.1:{port}/token", secret)))
        ended = await client(
            "google_auth.py",
            tmp_path,
            GOOGLE_APPLICATION_CREDENTIALS=str(file),
            GOOGLE_CLOUD_PROJECT=PROJECT,
        )
    if audience == AUDIENCE:
        assert (ended.status, ended.out) == (0, "ya29.model\n"), ended.err
    else:
        assert "does not match the expected audience" in ended.err, ended.err


def google(clouds: Clouds, url: str, secret: Path) -> Mapping[str, Any]:
    return {
        "type": "external_account",
        "audience": PROVIDER,
        "subject_token_type": "urn:ietf:params:oauth:token-type:jwt",
        "token_url": f"{endpoint(clouds)}/v1/token",
        "credential_source": {"url": url, "headers": {"authorization": secret.read_text()}},
    }


@pytest.mark.skipif(shutil.which("keytool") is None, reason="keytool not found on PATH")
async def test_keytool_reads_the_stores(clouds: Clouds, tmp_path: Path) -> None:
    password = tmp_path / "password"
    password.write_text("correct horse")
    keys, trust = tmp_path / "keys.p12", tmp_path / "trust.p12"
    files = {"key_store": {"path": str(keys)}, "trust_store": {"path": str(trust)}}
    x509 = {"pkcs12": {"password_file": str(password)}}
    outputs = [{"name": "java", "x509": x509, "files": files}]
    async with helping(HelperConfig(tmp_path, clouds.agent, outputs)) as helper:
        await helper.until_logged("all outputs are written")
    for store, entry in ((keys, "PrivateKeyEntry"), (trust, "trustedCertEntry")):
        command = ["keytool", "-list", "-keystore", str(store), "-storepass:env", "STORE"]
        ended = await run_client(command, tmp_path, STORE="correct horse")
        assert entry in ended.out, ended.out + ended.err
        refused = await run_client(command, tmp_path, STORE="wrong horse")
        assert refused.status != 0
