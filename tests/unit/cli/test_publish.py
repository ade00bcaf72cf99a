"""`publish` as a process: what it writes, what it says, how it ends."""

from __future__ import annotations

import asyncio
import json
import re
import signal
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from command_line import PROGRAM, Service, environment, run
from issuer_at_work import until

from spire_bridge.cli.main import main
from spire_bridge.sandbox.trust_domain import SandboxTrustDomain
from spire_bridge.sandbox.workload import Workload


@pytest.fixture
def site(tmp_path: Path) -> Path:
    return tmp_path / "site"


@pytest.fixture
def config(workload: Workload, tmp_path: Path) -> Path:
    file = tmp_path / "issuer.yaml"
    file.write_text(
        f"""\
trust_domain: example.org
issuer:
  url: https://issuer.example.org/tenant
sources:
  - name: east
    workload_api:
      address: {workload.address}
log:
  format: json
health:
  address: 127.0.0.1:0
"""
    )
    return file


def arguments(config: Path, site: Path, *further: str) -> tuple[str, ...]:
    return ("publish", "--config", str(config), "--directory", str(site), *further)


def paths(site: Path) -> list[str]:
    """The documents, in the order in which they are written."""
    folder = site / "tenant"
    return [str(folder / "keys"), str(folder / ".well-known" / "openid-configuration")]


def change(config: Path, before: str, after: str) -> None:
    text = config.read_text()
    assert before in text
    config.write_text(text.replace(before, after))


def read(path: Path) -> Any:
    return json.loads(path.read_text())


def keys_in(site: Path) -> set[str]:
    file = site / "tenant" / "keys"
    return {key["kid"] for key in read(file)["keys"]} if file.exists() else set()


def keys_of(sandbox: SandboxTrustDomain) -> set[str]:
    return {key.key_id for key in sandbox.jwt.keys}


@asynccontextmanager
async def watching(config: Path, site: Path) -> AsyncIterator[Service]:
    process = await asyncio.create_subprocess_exec(
        *PROGRAM,
        *arguments(config, site, "--watch"),
        stderr=asyncio.subprocess.PIPE,
        env=environment(),
    )
    try:
        service = Service(process, [])
        await service.logged("publishing")
        yield service
    finally:
        if process.returncode is None:
            process.kill()
            await process.communicate()


async def test_once(config: Path, site: Path, sandbox: SandboxTrustDomain) -> None:
    ended = await run(*arguments(config, site, "--once"))
    assert (ended.status, ended.err) == (0, "")
    assert ended.out == "".join(f"written    {path}\n" for path in paths(site))
    assert keys_in(site) == keys_of(sandbox)
    discovery = read(Path(paths(site)[1]))
    assert discovery["issuer"] == "https://issuer.example.org/tenant"
    assert discovery["jwks_uri"] == "https://issuer.example.org/tenant/keys"
    ended = await run(*arguments(config, site, "--once"))
    assert ended.out == "".join(f"unchanged  {path}\n" for path in paths(site))


async def test_once_as_json(config: Path, site: Path) -> None:
    ended = await run(*arguments(config, site, "--once", "--output", "json"))
    assert (ended.status, ended.err) == (0, "")
    outcome = {"issuer": "example.org", "name": "directory", "visible": None, "error": None}
    assert ended.json() == {"targets": [outcome | {"written": paths(site), "unchanged": []}]}
    ended = await run(*arguments(config, site, "--once", "--output", "json"))
    assert ended.json() == {"targets": [outcome | {"written": [], "unchanged": paths(site)}]}


async def test_no_bundle_is_4_with_the_reasons(
    config: Path, site: Path, workload: Workload
) -> None:
    change(config, workload.address, "unix:///nowhere/agent.sock")
    ended = await run(*arguments(config, site, "--once", "--timeout", "300ms"))
    assert (ended.status, ended.out) == (4, "")
    error = next(line for line in ended.err.splitlines() if line.startswith("error["))
    assert error.startswith("error[NO_BUNDLE]: no bundle has arrived: source east: ")
    assert error.endswith("[SOCKET_MISSING]")
    assert keys_in(site) == set()
    ended = await run(*arguments(config, site, "--once", "--timeout", "300ms", "--output", "json"))
    lines = [json.loads(line) for line in ended.err.splitlines()]
    assert (ended.status, lines[-1]["error"]["code"]) == (4, "NO_BUNDLE")


async def test_an_older_set_is_1_and_changes_nothing(config: Path, site: Path) -> None:
    await run(*arguments(config, site, "--once"))
    before = keys_in(site)
    note = site / "tenant" / ".spire-bridge-generation.json"
    later = {"confirmed_at": time.time() + 60, "jwks_etag": '"another"'}
    note.write_text(json.dumps(later))
    ended = await run(*arguments(config, site, "--once"))
    assert (ended.status, ended.error) == (1, "PUBLICATION_OUTDATED")
    assert keys_in(site) == before != set()


async def test_a_directory_that_takes_nothing_is_one_line(config: Path) -> None:
    ended = await run(*arguments(config, Path("/proc/site"), "--once"))
    assert (ended.status, ended.error) == (1, "FILE_FAILED")
    assert "/proc/site can't be made" in ended.err


async def test_a_wrong_configuration_is_2(config: Path, site: Path) -> None:
    change(config, "example.org/tenant", "example.org/../tenant")
    ended = await run(*arguments(config, site, "--once"))
    assert (ended.status, ended.error) == (2, "PUBLISH_PATH_INVALID")
    change(config, "trust_domain: example.org", "trust_domain: no")
    for how in ("--once", "--watch"):
        ended = await run(*arguments(config, site, how))
        assert (ended.status, ended.error) == (2, "CONFIG_INVALID")


@pytest.mark.parametrize(
    "further", [(), ("--once", "--watch"), ("--once", "--timeout", "0"), ("--once", "extra")]
)
def test_exactly_one_way_to_run(further: tuple[str, ...], config: Path, site: Path) -> None:
    with pytest.raises(SystemExit) as ended:
        main(arguments(config, site, *further))
    assert ended.value.code == 2


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_watch_writes_every_change_until_a_signal(
    config: Path, site: Path, sandbox: SandboxTrustDomain, number: signal.Signals
) -> None:
    async def there() -> set[str]:
        return keys_in(site)

    async with watching(config, site) as service:
        entry = await service.logged("documents were published")
        assert (entry["written"], entry["unchanged"]) == (paths(site), [])
        assert keys_in(site) == keys_of(sandbox)
        sandbox.jwt.prepare()
        await until(there, keys_of(sandbox))
        status, seconds = await service.ends(number)
        assert (status, seconds < 2) == (0, True), service.log
        assert [e["message"] for e in service.log if e["level"] != "info"] == []
        assert service.log[-1]["message"] == "stopping"


async def test_status_shows_the_targets(
    config: Path, site: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    async with watching(config, site) as service:
        health = service.log[-1]["health"]
        await service.logged("documents were published")
        status = await asyncio.to_thread(main, ["status", "--health", health])
        assert status == 0
        shown = capsys.readouterr().out
        assert shown.startswith("https://issuer.example.org/tenant: ready: 1 keys")
        assert re.search(r"^TARGET +STATE +PUBLISHED +WRITTEN +NOTE$", shown, re.MULTILINE)
        assert re.search(r"^directory +current +\ds ago +2$", shown, re.MULTILINE)


async def test_watch_ends_in_time_while_nothing_can_be_written(
    config: Path, tmp_path: Path
) -> None:
    blocked = tmp_path / "blocked"
    blocked.write_bytes(b"")
    async with watching(config, blocked) as service:
        entry = await service.logged("documents were not published")
        assert (entry["level"], entry["code"]) == ("error", "FILE_FAILED")
        blocked.unlink()
        await service.logged("documents were published")
        assert (await service.ends(signal.SIGTERM))[0] == 0
