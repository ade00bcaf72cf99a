"""`dev` as a process: the first thing that a newcomer sees."""

from __future__ import annotations

import asyncio
import json
import re
import signal
import socket
import time
from pathlib import Path

import pytest
from command_line import PROGRAM, environment, run
from first_run import developing


async def test_the_walk_through_shows_what_it_should() -> None:
    ended = await run("dev", "--once", "--port", "0")
    assert (ended.status, ended.err) == (0, "")
    assert "UNEXPECTED" not in ended.out
    assert ended.out.count("✓") == 7
    assert len(ended.out.splitlines()) < 24, "a screenful"


async def test_the_walk_through_ends_with_the_model_clouds() -> None:
    ended = await run("dev", "--clouds", "--once", "--port", "0")
    assert (ended.status, ended.err) == (0, "")
    assert "UNEXPECTED" not in ended.out
    assert ended.out.count("✓") == 11
    assert len(ended.out.splitlines()) <= 25, "a screenful"
    *_, aws, google, entra, clause, fix, accepted = ended.out.splitlines()
    assert "arn:aws:sts::123456789012:assumed-role/web/dev" in aws
    assert "spiffe://example.org/east/web" in google
    assert "AADSTS700212" in entra
    assert "audience: found demo, wanted api://AzureADTokenExchange" in clause
    assert "fix: fetch the SVID with the audience api://AzureADTokenExchange" in fix
    assert "accepted" in accepted


async def test_what_sdks_need_is_in_a_private_folder_until_the_end() -> None:
    async with developing("--clouds") as shown:
        sourced = re.search(r"(?m)^  \. (\S+)", shown)
        assert sourced is not None
        folder = check_environment(Path(sourced[1]), re.findall(r"(?m)^  #   (\w+=.+)$", shown))
    assert not folder.exists()


def check_environment(file: Path, printed: list[str]) -> Path:
    """Whether the file sets what was printed, and all is there; the folder of it."""
    assert file.parent.stat().st_mode & 0o777 == 0o700
    assert re.findall(r"(?m)^export (\w+=.+)$", file.read_text()) == printed
    variables = dict(line.split("=", 1) for line in printed)
    for name in ("AWS_WEB_IDENTITY_TOKEN_FILE", "AZURE_FEDERATED_TOKEN_FILE"):
        assert Path(variables[name]).read_text().count(".") == 2
    google = json.loads(Path(variables["GOOGLE_APPLICATION_CREDENTIALS"]).read_text())
    assert google["type"] == "external_account"
    return file.parent


async def test_what_the_clouds_say_can_be_asked_of_trust_evaluate() -> None:
    async with developing("--clouds") as shown:
        asked = re.search(r"trust evaluate (--audience demo --azure (\S+)/azure.json)", shown)
        socket_address = re.search(r"SPIFFE_ENDPOINT_SOCKET=(\S+)", shown)
        assert asked is not None
        assert socket_address is not None
        folder, variables = asked[2], {"SPIFFE_ENDPOINT_SOCKET": socket_address[1]}
        variables["SSL_CERT_FILE"] = f"{folder}/ca.pem"
        refused = await run("trust", "evaluate", *asked[1].split(), **variables)
        accepted = await run(
            *("trust", "evaluate", "--audience", "demo", "--aws", f"{folder}/aws.json"),
            *("--gcp", f"{folder}/gcp.json", "--roles-anywhere", f"{folder}/roles-anywhere.json"),
            **variables,
        )
    assert (refused.status, accepted.status) == (1, 0), accepted.out
    assert "AADSTS700212" in refused.out


async def test_a_proxy_in_the_environment_is_no_trouble() -> None:
    proxy = "http://127.0.0.1:9"
    proxies = dict.fromkeys(("http_proxy", "HTTP_PROXY", "https_proxy", "HTTPS_PROXY"), proxy)
    ended = await run("dev", "--clouds", "--once", "--port", "0", **proxies)
    assert (ended.status, ended.err) == (0, "")


async def test_a_port_that_is_taken_is_an_error_if_it_was_asked_for() -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        ended = await run("dev", "--once", "--port", str(other.getsockname()[1]))
    assert (ended.status, ended.error) == (1, "LISTEN_FAILED")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
async def test_it_serves_until_it_is_told_to_end(number: signal.Signals) -> None:
    process = await asyncio.create_subprocess_exec(
        *PROGRAM,
        *("dev", "--port", "0"),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env=environment(),
    )
    assert process.stdout is not None
    async with asyncio.timeout(20):
        shown = (await process.stdout.readuntil(b"/readyz\n")).decode()
    address = re.search(r"export SPIFFE_ENDPOINT_SOCKET=(\S+)", shown)
    assert address is not None
    fetched = await run("fetch", "jwt", "--audience", "demo", "--socket", address[1])
    assert fetched.status == 0
    started = time.monotonic()
    process.send_signal(number)
    async with asyncio.timeout(5):
        _, err = await process.communicate()
    assert (process.returncode, err) == (0, b"")
    assert time.monotonic() - started < 2
