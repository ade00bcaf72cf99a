"""`credential gcp` and `gcp-config` as processes, against the sandbox and the model of Google."""

from __future__ import annotations

import asyncio
import json
import os
import stat
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from aws_at_work import OTHER, SUBJECT, AwsAtWork, aws_at_work
from command_line import Ended, run

from spire_bridge.listen.address import ListenAddress
from spire_bridge.listen.http import Request, Response
from spire_bridge.listen.limits import Limits
from spire_bridge.listen.server import serving
from spire_bridge.sandbox.faults import Fault
from spire_bridge.service.dev.cloud_accounts import AUDIENCE, EMAIL, PROVIDER
from spire_bridge.spiffe.jwt_svid import UnverifiedJwtSvid

NAME = PROVIDER.removeprefix("//iam.googleapis.com/")
JWT = "urn:ietf:params:oauth:token-type:jwt"
HEAVY = ("grpc", "asyncio", "ssl", "http.client", "cryptography")


@pytest.fixture
async def clouds(tmp_path: Path) -> AsyncIterator[AwsAtWork]:
    async with aws_at_work(tmp_path) as at_work:
        yield at_work


async def executable(clouds: AwsAtWork, *options: str, **changes: str) -> Any:
    """What an SDK reads; all that it reads is one JSON document."""
    sdk = {
        "GOOGLE_EXTERNAL_ACCOUNT_AUDIENCE": PROVIDER,
        "GOOGLE_EXTERNAL_ACCOUNT_TOKEN_TYPE": JWT,
        "GOOGLE_EXTERNAL_ACCOUNT_INTERACTIVE": "0",
    }
    where = {"SPIFFE_ENDPOINT_SOCKET": clouds.workload.address}
    ended = await run("credential", "gcp", *options, **(where | sdk | changes))
    assert (ended.status, ended.err) == (0, "")
    assert ended.out.count("\n") == 1
    return ended.json()


def loaded(ended: Ended) -> set[str]:
    """The modules, as the interpreter lists them on standard error."""
    return {line.rpartition("|")[2].strip() for line in ended.err.splitlines()}


async def access_token(clouds: AwsAtWork, *options: str, **changes: str) -> Ended:
    return await run(
        *("credential", "gcp", "--access-token", "--provider", NAME, "--audience", AUDIENCE),
        *("--sts-endpoint", clouds.addresses.http, "--iam-endpoint", clouds.addresses.http),
        *options,
        **clouds.environment(**changes),
    )


async def test_a_success_for_an_sdk(clouds: AwsAtWork) -> None:
    response = await executable(clouds)
    svid = UnverifiedJwtSvid.parse(response["id_token"])
    assert svid.audience == (f"https:{PROVIDER}",)
    assert str(svid.spiffe_id) == SUBJECT
    assert response == {
        "version": 1,
        "success": True,
        "token_type": JWT,
        "id_token": svid.token,
        "expiration_time": svid.expires_at,
    }


async def test_an_audience_of_the_allowed_ones(clouds: AwsAtWork) -> None:
    response = await executable(clouds, "--audience", AUDIENCE, "--hint", "other")
    svid = UnverifiedJwtSvid.parse(response["id_token"])
    assert svid.audience == (AUDIENCE,)
    assert str(svid.spiffe_id) == OTHER


@pytest.mark.parametrize(
    ("options", "variables", "code", "said"),
    [
        ((), {"SPIFFE_ENDPOINT_SOCKET": "unix:///absent"}, "SOCKET_MISSING", "(is the agent"),
        ((), {"SPIFFE_ENDPOINT_SOCKET": ""}, "ENDPOINT_ADDRESS_INVALID", "SPIFFE_ENDPOINT_SOCKET"),
        (("--hint", "unknown"), {}, "HINT_NOT_FOUND", "hints that the agent sent: other"),
        (("--typo",), {}, "WRONG_USAGE", "unrecognized arguments: --typo"),
        (("--hint", "a", "--spiffe-id", "b"), {}, "WRONG_USAGE", "not allowed with"),
        (("--help",), {}, "WRONG_USAGE", "help"),
        (
            (),
            {"GOOGLE_EXTERNAL_ACCOUNT_TOKEN_TYPE": "urn:ietf:params:oauth:token-type:saml2"},
            "GOOGLE_SETTING_INVALID",
            "subject_token_type",
        ),
        ((), {"GOOGLE_EXTERNAL_ACCOUNT_AUDIENCE": ""}, "SETTING_MISSING", "--audience"),
        ((), {"GOOGLE_EXTERNAL_ACCOUNT_AUDIENCE": "//a"}, "GOOGLE_SETTING_INVALID", "full name"),
    ],
)
async def test_a_failure_for_an_sdk(
    clouds: AwsAtWork, options: tuple[str, ...], variables: dict[str, str], code: str, said: str
) -> None:
    response = await executable(clouds, *options, **variables)
    assert response.keys() == {"version", "success", "code", "message"}
    assert (response["version"], response["success"]) == (1, False)
    assert response["code"] == code, response
    assert said in response["message"]


async def test_an_agent_that_denies(clouds: AwsAtWork) -> None:
    clouds.workload.fault = Fault.PERMISSION_DENIED
    assert (await executable(clouds))["code"] == "PERMISSION_DENIED"


async def test_a_bug_is_a_failure_for_an_sdk(clouds: AwsAtWork, tmp_path: Path) -> None:
    """As would be a broken installation: no traceback is read as a token."""
    (tmp_path / "sitecustomize.py").write_text(
        "import time\ndef broken(): raise RuntimeError('of a bug')\ntime.monotonic = broken\n"
    )
    path = f"{tmp_path}{os.pathsep}{Path(__file__).parents[3]}"
    response = await executable(clouds, PYTHONPATH=path)
    assert response["code"] == "UNEXPECTED"
    assert response["message"] == "spire-bridge failed: RuntimeError"


async def test_a_person_is_told_as_by_any_command(clouds: AwsAtWork) -> None:
    ended = await run("credential", "gcp", "--audience", "a", "--socket", "unix:///absent")
    assert (ended.error, ended.status) == ("SOCKET_MISSING", 4)
    ended = await run("credential", "gcp", "--socket", clouds.workload.address)
    assert (ended.error, ended.status) == ("SETTING_MISSING", 2)
    good = ("credential", "gcp", "--audience", "a", "--socket", clouds.workload.address)
    ended = await run(*good, PYTHONPROFILEIMPORTTIME="1")
    assert ended.json()["success"] is True
    assert loaded(ended).isdisjoint(HEAVY)


async def test_the_output_file(clouds: AwsAtWork, tmp_path: Path) -> None:
    file, link = tmp_path / "out.json", tmp_path / "link"
    link.symlink_to(file)
    before = time.time()
    response = await executable(clouds, GOOGLE_EXTERNAL_ACCOUNT_OUTPUT_FILE=str(link))
    assert link.is_symlink()
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    kept = json.loads(file.read_text())
    half = before + (response["expiration_time"] - before) / 2
    assert abs(kept.pop("expiration_time") - half) < 5
    response.pop("expiration_time")
    assert kept == response
    content = file.read_bytes()
    failed = await executable(
        clouds,
        GOOGLE_EXTERNAL_ACCOUNT_OUTPUT_FILE=str(link),
        SPIFFE_ENDPOINT_SOCKET="unix:///absent",
    )
    assert failed["success"] is False
    assert file.read_bytes() == content


@pytest.mark.parametrize("kind", ["absent", "folder", "pipe"])
async def test_an_output_file_that_can_not_be(clouds: AwsAtWork, tmp_path: Path, kind: str) -> None:
    """The token is there all the same; the next one is asked for anew."""
    file = tmp_path / "out"
    if kind == "folder":
        file.mkdir()
    elif kind == "pipe":
        os.mkfifo(file)
    else:
        file = file / "absent"
    response = await executable(clouds, GOOGLE_EXTERNAL_ACCOUNT_OUTPUT_FILE=str(file))
    assert response["success"] is True
    assert not file.is_file()


@pytest.mark.parametrize("options", [(), ("--service-account", EMAIL)])
async def test_an_access_token_is_printed_and_kept(
    clouds: AwsAtWork, options: tuple[str, ...]
) -> None:
    ended = await access_token(clouds, *options)
    assert (ended.status, ended.err) == (0, "")
    assert ended.out.startswith("ya29.model.")
    asked = len(clouds.verdicts)
    again = await access_token(clouds, *options, PYTHONPROFILEIMPORTTIME="1")
    assert again.out == ended.out
    assert len(clouds.verdicts) == asked
    assert "spire_bridge.credentials.cache" in loaded(again)
    assert loaded(again).isdisjoint(HEAVY)
    (file,) = clouds.cache.rglob("*.json")
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


async def test_what_is_asked_for_decides_what_is_kept(clouds: AwsAtWork) -> None:
    account = ("--service-account", EMAIL)
    for options in (
        (),
        account,
        (*account, "--service-account-token-lifetime-seconds", "600"),
        ("--scope", "https://www.googleapis.com/auth/devstorage.read_only"),
        ("--spiffe-id", SUBJECT),
    ):
        assert (await access_token(clouds, *options)).status == 0
    assert len(clouds.secrets_on_disk()) == 5


@pytest.mark.parametrize(
    ("options", "code", "status", "said"),
    [
        (("--audience", "unknown"), "GOOGLE_REFUSED", 1, "clause audience: invalid_grant: "),
        (
            ("--service-account", EMAIL, "--hint", "other"),
            *("GOOGLE_REFUSED", 1, "clause service account: PERMISSION_DENIED: "),
        ),
        (("--provider", f"{NAME}-2"), "GOOGLE_REFUSED", 1, "clause provider: invalid_target: "),
        (("--provider", "spire"), "GOOGLE_SETTING_INVALID", 2, "full name"),
        (("--service-account", "web"), "GOOGLE_SETTING_INVALID", 2, "e-mail"),
        (
            ("--service-account-token-lifetime-seconds", "600"),
            *("GOOGLE_SETTING_INVALID", 2, "name it"),
        ),
        (("--sts-endpoint", "http://sts.test"), "ENDPOINT_INVALID", 2, "without TLS"),
        (("--sts-endpoint", "http://127.0.0.1:1"), "CALL_FAILED", 4, "can't be asked"),
        (("--hint", "unknown"), "HINT_NOT_FOUND", 3, "hints"),
    ],
)
async def test_a_refusal_names_its_clause(
    clouds: AwsAtWork, options: tuple[str, ...], code: str, status: int, said: str
) -> None:
    ended = await access_token(clouds, *options)
    assert (ended.error, ended.status) == (code, status), ended.err
    assert said in ended.err
    assert "eyJ" not in ended.err
    assert "ya29" not in ended.err
    assert clouds.secrets_on_disk() == []


async def test_a_certificate_that_is_not_trusted(clouds: AwsAtWork) -> None:
    endpoint = ("--sts-endpoint", clouds.addresses.https)
    ended = await access_token(clouds, *endpoint)
    assert (ended.error, ended.status) == ("CALL_FAILED", 4)
    assert "is not trusted here" in ended.err
    assert (await access_token(clouds, *endpoint, "--ca-file", str(clouds.ca))).status == 0


@pytest.mark.parametrize("body", [b"", b"<html>", b"[" * 50_000, b" " * 2_000_000])
async def test_an_endpoint_that_is_not_google(clouds: AwsAtWork, body: bytes) -> None:
    def answer(_: Request) -> Response:
        return Response(200, (), body)

    limits = Limits(keeps_bodies=True)
    async with serving(answer, ListenAddress("127.0.0.1", 0), limits=limits) as address:
        ended = await access_token(clouds, "--sts-endpoint", f"http://{address}")
    assert ended.error in {"GOOGLE_ANSWER_UNEXPECTED", "CALL_FAILED"}
    assert "eyJ" not in ended.err


async def test_an_endpoint_that_is_busy_is_asked_again(clouds: AwsAtWork) -> None:
    good = {"access_token": "ya29.late", "token_type": "Bearer", "expires_in": 288}
    answers = [Response(503), Response(429), Response(200, (), json.dumps(good).encode())]
    limits = Limits(keeps_bodies=True)

    def answer(_: Request) -> Response:
        return answers.pop(0)

    async with serving(answer, ListenAddress("127.0.0.1", 0), limits=limits) as address:
        ended = await access_token(clouds, "--sts-endpoint", f"http://{address}")
    assert (ended.out, ended.err) == ("ya29.late\n", "")
    assert answers == []


async def test_an_endpoint_that_is_slow(clouds: AwsAtWork) -> None:
    async def never(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await done.wait()
        writer.close()

    done = asyncio.Event()
    server = await asyncio.start_server(never, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    options = ("--sts-endpoint", f"http://127.0.0.1:{port}", "--timeout", "1s")
    ended = await access_token(clouds, *options)
    done.set()
    server.close()
    await server.wait_closed()
    assert (ended.error, ended.status) == ("CALL_FAILED", 4)
    assert "did not answer within 1 s" in ended.err


async def configured(file: Path, *options: str) -> Ended:
    return await run("credential", "gcp-config", NAME, "--output-file", str(file), *options)


async def test_a_configuration_with_our_own_command(tmp_path: Path) -> None:
    file = tmp_path / "gcp.json"
    ended = await configured(
        *(file, "--hint", "internal", "--socket", "unix:///run/a.sock"),
        *("--executable-timeout-millis", "5000", "--executable-output-file", "/run/out.json"),
    )
    assert (ended.status, ended.out) == (0, "")
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert json.loads(file.read_text())["credential_source"]["executable"] == {
        "command": "spire-bridge credential gcp --hint internal --socket unix:///run/a.sock"
        " --timeout 4s",
        "timeout_millis": 5000,
        "output_file": "/run/out.json",
    }


@pytest.mark.parametrize(
    ("options", "code"),
    [
        (("--credential-source-file", "token"), "GOOGLE_SETTING_INVALID"),
        (("--credential-source-url", "http://metadata.test/"), "GOOGLE_SETTING_INVALID"),
        (("--executable-timeout-millis", "1"), "GOOGLE_SETTING_INVALID"),
        (("--universe-domain", "a/b"), "GOOGLE_SETTING_INVALID"),
        (
            (
                *("--credential-source-url", "http://127.0.0.1/"),
                *("--credential-source-headers", "Authorization=@/absent"),
            ),
            "FILE_FAILED",
        ),
    ],
)
async def test_a_configuration_that_no_sdk_takes(
    tmp_path: Path, options: tuple[str, ...], code: str
) -> None:
    file = tmp_path / "gcp.json"
    assert (await configured(file, *options)).error == code
    assert not file.exists()
