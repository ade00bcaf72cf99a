"""google-auth, unmodified, with what the bridge writes, serves and prints for it."""

from __future__ import annotations

import asyncio
import json
import shlex
import stat
import sys
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from aws_at_work import OTHER, SUBJECT, AwsAtWork, aws_at_work
from command_line import PROGRAM, ROOT, run

from spire_bridge.helper.token_endpoint import TokenEndpoint
from spire_bridge.listen.address import ListenAddress
from spire_bridge.listen.server import serving
from spire_bridge.service.dev.cloud_accounts import AUDIENCE, EMAIL, PROVIDER

pytestmark = [pytest.mark.asyncio(loop_scope="module")]

NAME = PROVIDER.removeprefix("//iam.googleapis.com/")
SECRET = "a secret of this machine"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def clouds(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[AwsAtWork]:
    async with aws_at_work(tmp_path_factory.mktemp("clouds")) as at_work:
        yield at_work


@pytest.fixture(autouse=True)
def surroundings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in (
        "http_proxy",
        "https_proxy",
        "HTTP_PROXY",
        "HTTPS_PROXY",
        "SPIFFE_ENDPOINT_SOCKET",
    ):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("GOOGLE_EXTERNAL_ACCOUNT_ALLOW_EXECUTABLES", "1")


Configure = Callable[..., Any]


@pytest.fixture
def configure(clouds: AwsAtWork, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Configure:
    """google-auth's credentials by a configuration that the bridge wrote, refreshed once."""
    auth = pytest.importorskip("google.auth", reason="google-auth is not installed")
    transport = pytest.importorskip("google.auth.transport.requests")

    def refreshed(file: Path) -> Any:
        monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(file))
        monkeypatch.setenv("GOOGLE_CLOUD_PROJECT", "example")  # or google-auth asks Google for it
        scopes = ["https://www.googleapis.com/auth/cloud-platform"]
        credentials, _ = auth.default(scopes=scopes)
        with transport.requests.Session() as session:
            credentials.refresh(transport.Request(session))
        return credentials

    async def configured(*options: str, impersonating: bool = True) -> Any:
        file = tmp_path / "gcp.json"
        account = ("--service-account", EMAIL) if impersonating else ()
        ended = await run(
            *("credential", "gcp-config", NAME, "--output-file", str(file)),
            *("--sts-endpoint", clouds.addresses.http, "--iam-endpoint", clouds.addresses.http),
            *account,
            *options,
        )
        assert ended.status == 0, ended.err
        assert ended.out == ""
        assert SECRET not in ended.err
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
        return await asyncio.to_thread(refreshed, file)

    return configured


def refusal(name: str) -> Any:
    return getattr(pytest.importorskip("google.auth.exceptions"), name)


@pytest.mark.parametrize("impersonating", [True, False])
async def test_a_token_in_a_file(
    clouds: AwsAtWork, configure: Configure, tmp_path: Path, impersonating: bool
) -> None:
    file = tmp_path / "token"
    options = ("--credential-source-file", str(file))
    file.write_text(await clouds.token(AUDIENCE))
    credentials = await configure(*options, impersonating=impersonating)
    assert credentials.valid
    file.write_text(await clouds.token("another"))
    with pytest.raises(refusal("OAuthError"), match="does not match the expected audience"):
        await configure(*options, impersonating=impersonating)


@pytest.mark.parametrize("field_name", ["", "subject_token"])
async def test_a_token_at_a_url(
    clouds: AwsAtWork, configure: Configure, tmp_path: Path, field_name: str
) -> None:
    latest = [await clouds.token(AUDIENCE)]
    secret = tmp_path / "secret"
    secret.write_text(f"{SECRET}\n")
    endpoint = TokenEndpoint(lambda: latest[0], SECRET, field_name=field_name)
    async with serving(endpoint, ListenAddress("127.0.0.1", 0)) as address:
        options = ["--credential-source-url", f"http://{address}/token"]
        if field_name:
            options += ["--credential-source-field-name", field_name]
        header = ("--credential-source-headers", f"Authorization=@{secret}")
        assert (await configure(*options, *header)).valid
        said = "not the secret of this endpoint"
        with pytest.raises(refusal("RefreshError"), match=said):
            await configure(*options)
        latest[0] = await clouds.token("another")
        with pytest.raises(refusal("OAuthError"), match="does not match the expected audience"):
            await configure(*options, *header)


def command(*options: str) -> tuple[str, str]:
    return "--executable-command", shlex.join((*PROGRAM, "credential", "gcp", *options))


@pytest.mark.parametrize("impersonating", [True, False])
async def test_a_token_of_the_executable(
    clouds: AwsAtWork,
    configure: Configure,
    monkeypatch: pytest.MonkeyPatch,
    impersonating: bool,
) -> None:
    monkeypatch.setenv("SPIFFE_ENDPOINT_SOCKET", clouds.workload.address)
    of_subject = ("--spiffe-id", SUBJECT)
    good = command("--audience", AUDIENCE, *of_subject)
    assert (await configure(*good, impersonating=impersonating)).valid
    with pytest.raises(refusal("OAuthError"), match=r"ID Token \[https://iam\.googleapis\.com/"):
        await configure(*command(*of_subject), impersonating=impersonating)


async def test_who_may_not_impersonate(
    clouds: AwsAtWork, configure: Configure, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SPIFFE_ENDPOINT_SOCKET", clouds.workload.address)
    with pytest.raises(refusal("RefreshError"), match="PERMISSION_DENIED"):
        await configure(*command("--audience", AUDIENCE, "--spiffe-id", OTHER))


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ((), "code: SOCKET_MISSING, message: there is no socket at /absent"),
        (("--typo",), "code: WRONG_USAGE, message: .*unrecognized arguments: --typo"),
        (("--timeout", "never"), "code: WRONG_USAGE, message: .*'never' is not a duration"),
        (("--help",), "code: WRONG_USAGE, message: the command line asks for help"),
    ],
)
async def test_the_sdk_says_what_the_executable_did(
    configure: Configure, monkeypatch: pytest.MonkeyPatch, options: tuple[str, ...], said: str
) -> None:
    """google-auth reads both streams as one: a word on standard error would be an odd one."""
    monkeypatch.setenv("SPIFFE_ENDPOINT_SOCKET", "unix:///absent")
    with pytest.raises(refusal("RefreshError"), match=said):
        await configure(*command("--audience", AUDIENCE, *options))


async def test_the_agent_goes_while_the_output_file_is_good(
    clouds: AwsAtWork, configure: Configure, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    file = tmp_path / "kept.json"
    options = (
        *command("--audience", AUDIENCE, "--spiffe-id", SUBJECT),
        *("--executable-output-file", str(file)),
    )
    monkeypatch.setenv("SPIFFE_ENDPOINT_SOCKET", clouds.workload.address)
    assert (await configure(*options)).valid
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    monkeypatch.setenv("SPIFFE_ENDPOINT_SOCKET", "unix:///absent")
    assert (await configure(*options)).valid
    kept = json.loads(file.read_text())
    file.write_text(json.dumps({**kept, "expiration_time": 1}))
    with pytest.raises(refusal("RefreshError"), match="SOCKET_MISSING"):
        await configure(*options)


async def test_the_default_command_is_found_on_path(
    clouds: AwsAtWork, configure: Configure, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    program = tmp_path / "spire-bridge"
    program.write_text(f'#!/bin/sh\nexec {shlex.join(PROGRAM)} "$@"\n')
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{Path(sys.executable).parent}:/usr/bin:/bin")
    where = ("--audience", AUDIENCE, "--spiffe-id", SUBJECT)
    assert (await configure(*where, "--socket", clouds.workload.address)).valid
    with pytest.raises(refusal("RefreshError"), match="SOCKET_MISSING"):
        await configure(*where, "--socket", "unix:///absent")
