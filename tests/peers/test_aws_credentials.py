"""boto3 with credentials of the bridge: by a command, and from the endpoint on loopback."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from aws_at_work import ROLES_ANYWHERE, AwsAtWork, aws_at_work
from command_line import PROGRAM, ROOT

from spire_bridge.credentials.aws.profiles import credential_process_profile
from spire_bridge.credentials.aws.temporary import TemporaryCredentials
from spire_bridge.helper.aws_endpoint import AwsEndpoint
from spire_bridge.helper.loopback_guard import new_secret
from spire_bridge.listen.address import ListenAddress
from spire_bridge.listen.server import serving
from spire_bridge.service.dev.cloud_accounts import AUDIENCE, ROLE_ARN

boto3 = pytest.importorskip("boto3", reason="boto3 is not installed")
exceptions = pytest.importorskip("botocore.exceptions")


@pytest.fixture
async def aws(tmp_path: Path) -> AsyncIterator[AwsAtWork]:
    async with aws_at_work(tmp_path) as at_work:
        yield at_work


@pytest.fixture(autouse=True)
def no_other_credentials(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Nothing of whoever runs the tests, and no proxy."""
    for name in (
        *("AWS_PROFILE", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"),
        *("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"),
    ):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")


By = Callable[..., Any]


@pytest.fixture
def by_command(aws: AwsAtWork, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> By:
    """boto3's credentials by a profile that runs this command of ours."""
    for name, value in {**aws.environment(), "PYTHONPATH": str(ROOT)}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("AWS_ROLE_ARN")  # or boto3 would look for a token itself

    def credentials(*words: str) -> Any:
        command = (*PROGRAM, "credential", *words, "--role-arn", ROLE_ARN)
        (tmp_path / "config").write_bytes(credential_process_profile(command, profile="web"))
        session = boto3.session.Session(profile_name="web", region_name="eu-central-1")
        return session.get_credentials().get_frozen_credentials()

    return credentials


COMMANDS = {
    "a token": (("aws", "--audience", AUDIENCE), ("--hint", "other"), "trust policy"),
    "a certificate": (
        ("roles-anywhere", *ROLES_ANYWHERE),
        ("--session-name", "unwanted"),
        "session name",
    ),
}


@pytest.mark.parametrize(("words", "more", "clause"), COMMANDS.values(), ids=COMMANDS.keys())
async def test_boto3_runs_the_command_or_says_why_not(
    aws: AwsAtWork, by_command: By, words: tuple[str, ...], more: tuple[str, ...], clause: str
) -> None:
    first, second = [await asyncio.to_thread(by_command, *words) for _ in range(2)]
    assert first.access_key.startswith("ASIA")
    assert first.token == second.token
    assert len(aws.verdicts) == 1
    with pytest.raises(exceptions.CredentialRetrievalError) as refused:
        await asyncio.to_thread(by_command, *words, *more)
    said = str(refused.value)
    assert "error[AWS_ACCESS_DENIED]" in said
    assert f"clause: {clause}" in said
    assert "eyJ" not in said


async def test_boto3_renews_a_short_session_without_a_call_each_time(
    aws: AwsAtWork, by_command: By
) -> None:
    """It asks again at every use once less than 15 minutes are left, which is always."""
    words = ("aws", "--audience", AUDIENCE, "--duration", "15m")
    for _ in range(3):
        await asyncio.to_thread(by_command, *words)
    assert len(aws.verdicts) == 1


@dataclass
class Loopback:
    """The endpoint, as a helper would serve it."""

    url: str
    token_file: Path
    latest: TemporaryCredentials | None


@asynccontextmanager
async def container_endpoint(folder: Path) -> AsyncIterator[Loopback]:
    loopback = Loopback(
        "",
        folder / "authorization",
        TemporaryCredentials("ASIA1", "secret", "token", int(time.time()) + 3600),
    )
    authorization = new_secret()
    loopback.token_file.write_text(authorization)
    endpoint = AwsEndpoint(lambda: loopback.latest, authorization)
    async with serving(endpoint, ListenAddress("127.0.0.1", 0)) as address:
        loopback.url = f"http://{address}{endpoint.path}"
        yield loopback


def from_endpoint() -> Any:
    session = boto3.session.Session(region_name="eu-central-1")
    return session.get_credentials().get_frozen_credentials()


async def test_boto3_is_served_over_loopback_or_told_why_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with container_endpoint(tmp_path) as loopback:
        monkeypatch.setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", loopback.url)
        monkeypatch.setenv("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", str(loopback.token_file))
        monkeypatch.setenv("AWS_METADATA_SERVICE_NUM_ATTEMPTS", "1")
        found = await asyncio.to_thread(from_endpoint)
        assert (found.access_key, found.secret_key, found.token) == ("ASIA1", "secret", "token")

        right = loopback.token_file.read_text()
        loopback.token_file.write_text("another's")
        await refused_with("Unauthorized", monkeypatch)
        loopback.token_file.write_text(right)
        loopback.latest = replace(loopback.latest, expires_at=1) if loopback.latest else None
        await refused_with("NotReady", monkeypatch)


async def refused_with(code: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """boto3 tries three times, a second apart."""
    monkeypatch.setattr("botocore.utils.ContainerMetadataFetcher.SLEEP_TIME", 0)
    with pytest.raises(exceptions.CredentialRetrievalError, match=f"non 200 response.*{code}"):
        await asyncio.to_thread(from_endpoint)
