"""azure-identity, unmodified, with what the bridge writes and prints for it."""

from __future__ import annotations

import asyncio
import shlex
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from aws_at_work import OTHER, SUBJECT, AwsAtWork, aws_at_work
from command_line import PROGRAM, ROOT, run

from spire_bridge.service.dev.cloud_accounts import APPLICATION, ENTRA_AUDIENCE, SCOPE, TENANT

pytestmark = [pytest.mark.asyncio(loop_scope="module")]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def clouds(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[AwsAtWork]:
    async with aws_at_work(tmp_path_factory.mktemp("clouds")) as at_work:
        yield at_work


@pytest.fixture(autouse=True)
def surroundings(monkeypatch: pytest.MonkeyPatch, clouds: AwsAtWork, tmp_path: Path) -> None:
    for name in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("AZURE_AUTHORITY_HOST", clouds.addresses.https)
    monkeypatch.setenv("AZURE_TENANT_ID", TENANT)
    monkeypatch.setenv("AZURE_CLIENT_ID", APPLICATION)
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(clouds.ca))
    monkeypatch.setenv("SPIFFE_ENDPOINT_SOCKET", clouds.workload.address)


@pytest.fixture
def identity() -> Any:
    return pytest.importorskip("azure.identity", reason="azure-identity is not installed")


@pytest.fixture
def refused() -> Any:
    return pytest.importorskip("azure.core.exceptions").ClientAuthenticationError


async def test_a_token_in_a_file(
    clouds: AwsAtWork, identity: Any, refused: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    file = tmp_path / "token"
    ended = await run("credential", "azure-environment", "--token-file", str(file))
    for line in ended.out.splitlines():
        monkeypatch.setenv(*line.split("=", 1))

    async def token(audience: str) -> Any:
        file.write_text(await clouds.token(audience))
        with identity.WorkloadIdentityCredential(retry_total=0) as credential:
            return await asyncio.to_thread(credential.get_token, SCOPE)

    assert (await token(ENTRA_AUDIENCE)).token.startswith("model.")
    with pytest.raises(refused, match=r"AADSTS700212: .* assertion audience 'another'"):
        await token("another")


Az = Callable[..., None]


@pytest.fixture
def az(clouds: AwsAtWork, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Az:
    """An az on PATH that is the script of --help, with more options."""

    def install(*options: str) -> None:
        program = tmp_path / "az"
        words = shlex.join((*PROGRAM, "credential", "azure", "--ca-file", str(clouds.ca), *options))
        program.write_text(f'#!/bin/sh\nshift 2; exec {words} "$@"\n')
        program.chmod(0o755)
        monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")

    return install


async def test_the_command_in_the_place_of_az(
    identity: Any, refused: Any, az: Az, clouds: AwsAtWork
) -> None:
    credential = identity.AzureCliCredential(tenant_id=TENANT)
    az("--spiffe-id", SUBJECT)
    token = await asyncio.to_thread(credential.get_token, SCOPE)
    assert token.token.startswith("model.")
    asked = len(clouds.verdicts)
    again = await asyncio.to_thread(credential.get_token, SCOPE)
    assert again == token
    assert len(clouds.verdicts) == asked
    az("--spiffe-id", OTHER)
    with pytest.raises(refused, match="clause subject: AADSTS700213: ") as raised:
        await asyncio.to_thread(credential.get_token, SCOPE)
    assert "eyJ" not in str(raised.value)
    az("--socket", "unix:///absent")
    with pytest.raises(refused, match=r"error\[SOCKET_MISSING\]"):
        await asyncio.to_thread(credential.get_token, SCOPE)
