"""What every command has in common: help, usage errors, output that nobody reads."""

from __future__ import annotations

import argparse
import asyncio
import json
import shutil
import signal
import subprocess
from collections.abc import Iterator

import pytest
from command_line import PROGRAM, environment, loaded, run

from spire_bridge.cli.arguments import duration, port
from spire_bridge.cli.main import build_parser, main
from spire_bridge.cli.output import from_now

COMMANDS = [
    *("dev", "fetch jwt", "fetch x509", "fetch bundles", "validate", "helper"),
    *("credential aws", "credential azure", "credential azure-environment", "credential gcp"),
    *("credential gcp-config", "credential roles-anywhere"),
    *("credential vault", "credential kubernetes", "credential kubelet", "credential docker"),
    *("serve", "publish", "status", "doctor"),
    *(
        "trust evaluate",
        "trust generate",
        "trust lint",
        "config check",
        "config convert",
        "config schema",
        "completion",
        "version",
    ),
]


def parsers(
    parser: argparse.ArgumentParser, name: str = ""
) -> Iterator[tuple[str, argparse.ArgumentParser]]:
    """The commands that do something, by name."""
    groups = [a for a in parser._actions if isinstance(a, argparse._SubParsersAction)]
    if not groups:
        yield name, parser
    for group in groups:
        for word, child in group.choices.items():
            yield from parsers(child, f"{name} {word}".strip())


def test_these_are_the_commands() -> None:
    assert [name for name, _ in parsers(build_parser())] == COMMANDS


@pytest.mark.parametrize("name", COMMANDS)
def test_help_ends_with_examples_that_the_command_takes(
    name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        main([*name.split(), "--help"])
    assert ended.value.code == 0
    _, examples = capsys.readouterr().out.split("\nexamples:\n")
    assert f"spire-bridge {name}" in examples


@pytest.mark.parametrize("name", COMMANDS)
def test_help_of_every_option_says_what_it_is(name: str) -> None:
    parser = dict(parsers(build_parser()))[name]
    for action in parser._actions:
        assert action.help or not action.option_strings, action.option_strings


@pytest.mark.parametrize(
    "arguments",
    [
        "",
        "fly",
        "fetch",
        "fetch jwt",
        "fetch jwt --audience",
        "fetch jwt --audience a --spiffe-id spiffe://a/b --hint c",
        "fetch jwt --audience a --timeout 0",
        "fetch jwt --audience a --timeout soon",
        "fetch x509 --output yaml",
        "trust",
        "trust evaluate --token a --audience b",
        "trust evaluate --at tomorrow",
        "trust evaluate --aws",
        "trust lint --output xml",
        "trust generate",
        "trust generate --description a",
        "trust generate --description a --output-dir b --stdout",
        "trust generate --description a --stdout --target aws,oracle",
        "credential",
        "credential aws --duration 0",
        "credential aws --duration soon",
        "credential aws --duration 900.5",
        "credential aws --cache a --no-cache",
        "credential aws --spiffe-id spiffe://a/b --hint c",
        "credential roles-anywhere --profile-arn a",
        "validate",
        "serve",
        "dev --port 65536",
        "dev --port -1",
        "completion fish",
        "version now",
    ],
)
def test_wrong_usage_ends_with_2(arguments: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(arguments.split())
    assert ended.value.code == 2
    shown = capsys.readouterr()
    assert shown.out == ""
    assert "usage: spire-bridge" in shown.err


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("5", 5), ("5s", 5), ("1m30s", 90), ("500ms", 0.5), ("1.5s", 1.5), ("1h", 3600), (".5", 0.5)],
)
def test_durations(text: str, seconds: float) -> None:
    assert duration(text) == seconds


@pytest.mark.parametrize("text", ["", "s", "-1", "0", "0s", "5 s", "5d", "nan", "inf", "2h", "1m-"])
def test_no_durations(text: str) -> None:
    with pytest.raises(argparse.ArgumentTypeError, match="is not a duration such as 5s"):
        duration(text)


@pytest.mark.parametrize("text", ["", "a", "-1", "65536", "1.0", "٣", "0x10", "9" * 5000])
def test_no_ports(text: str) -> None:
    with pytest.raises(argparse.ArgumentTypeError, match="is not a port"):
        port(text)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.4, "in 0s"),
        (59, "in 59s"),
        (299, "in 4m59s"),
        (3600, "in 1h00m"),
        (90_000, "in 25h00m"),
        (-7380, "2h03m ago"),
    ],
)
def test_times_from_now(seconds: float, text: str) -> None:
    assert from_now(1_000_000 + seconds, now=1_000_000) == text


async def test_version_is_data() -> None:
    ended = await run("version", "--output", "json")
    assert (ended.status, ended.err) == (0, "")
    assert ended.json().keys() == {"version", "python"}
    assert (await run("version")).out.startswith("spire-bridge ")


@pytest.mark.parametrize("arguments", [["--help"], ["version"], ["config", "schema"]])
def test_a_reader_that_leaves_is_no_trouble(arguments: list[str]) -> None:
    process = subprocess.Popen(
        [*PROGRAM, *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=environment(),
    )
    assert process.stdout is not None
    process.stdout.close()
    _, err = process.communicate(timeout=20)
    assert (process.returncode, err) == (1, b"")


@pytest.mark.parametrize("arguments", [["--help"], ["version"], ["config", "schema"]])
def test_a_full_disk_is_one_line(arguments: list[str]) -> None:
    with open("/dev/full", "wb") as full:  # noqa: PTH123 - a device
        ended = subprocess.run(
            [*PROGRAM, *arguments],
            stdout=full,
            stderr=subprocess.PIPE,
            env=environment(),
            check=False,
        )
    assert ended.returncode == 1
    assert ended.stderr == b"error[FAILED]: No space left on device\n"


def test_closed_standard_streams_are_no_trouble() -> None:
    command = " ".join([*PROGRAM, "version", ">&-", "<&-"])
    ended = subprocess.run(["sh", "-c", command], env=environment(), check=False)
    assert ended.returncode == 0


@pytest.mark.parametrize("shell", ["bash", "zsh", "tcsh"])
def test_completion(shell: str) -> None:
    script = subprocess.check_output([*PROGRAM, "completion", shell], env=environment())
    for word in (b"spire-bridge", b"fetch", b"validate", b"serve"):
        assert word in script
    if shutil.which(shell) is not None and shell != "tcsh":  # which has no such option
        assert subprocess.run([shell, "-n"], input=script, check=False).returncode == 0


HEAVY = {"grpc", "joserfc", "cryptography", "httptools", "yaml", "msgspec", "prometheus_client"}


@pytest.mark.parametrize("arguments", [["version"], ["--help"], ["completion", "bash"]])
def test_what_asks_nobody_loads_no_library(arguments: list[str]) -> None:
    assert loaded(*arguments).isdisjoint(HEAVY)


@pytest.mark.parametrize("name", COMMANDS)
def test_the_command_alone_is_the_one_among_all(name: str) -> None:
    words = name.split()
    alone, whole = build_parser(words), build_parser()
    assert {other.split()[0] for other, _ in parsers(alone)} == {words[0]}
    assert len(list(parsers(alone))) == (3 if words[0] == "config" else 1)
    assert dict(parsers(alone))[name].format_help() == dict(parsers(whole))[name].format_help()
    assert alone.format_usage() == whole.format_usage()


def test_a_command_loads_no_other() -> None:
    ours = {name for name in loaded("version") if name.startswith("spire_bridge.cli.")}
    rest = {"main", "command", "help_text", "arguments", "output"}
    assert ours == {f"spire_bridge.cli.{name}" for name in {"version", *rest}}


def test_where_no_agent_is_found_only_what_asking_takes_is_loaded() -> None:
    modules = loaded("fetch", "jwt", "--audience", "a", "--socket", "unix:///nowhere.sock")
    assert "grpc" in modules
    assert modules.isdisjoint({"joserfc", "httptools", "yaml", "msgspec", "prometheus_client"})
    assert "cryptography.x509" not in modules
    assert not any(name.startswith("spire_bridge.service") for name in modules)


def test_configuration_is_checked_without_grpc() -> None:
    assert "joserfc" not in loaded("config", "schema")


async def test_ctrl_c_ends_a_waiting_command() -> None:
    process = await asyncio.create_subprocess_exec(
        *PROGRAM,
        "validate",
        "--audience",
        "a",
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env=environment(),
    )
    await asyncio.sleep(1)
    process.send_signal(signal.SIGINT)
    async with asyncio.timeout(5):
        out, err = await process.communicate()
    assert (process.returncode, out, err) == (130, b"", b"")


async def test_errors_are_json_where_output_is() -> None:
    ended = await run("fetch", "x509", "--output", "json", "--socket", "unix:///nowhere.sock")
    assert (ended.status, ended.out) == (4, "")
    error = json.loads(ended.err)["error"]
    assert error.keys() == {"code", "message", "hint"}
    assert error["code"] == "SOCKET_MISSING"
