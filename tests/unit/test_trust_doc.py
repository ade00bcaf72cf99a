"""docs/trust.md does what it says: its files, its commands, its verdicts."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest
from command_line import run

from spire_bridge.sandbox.entry import Entry
from spire_bridge.sandbox.trust_domain import SandboxTrustDomain

ISSUER, WORKLOAD = "https://issuer.example.org", "spiffe://example.org/ns/payments/sa/ledger"
DOC = (Path(__file__).parents[2] / "docs" / "trust.md").read_text()
STATUSES = {"--aws": 0, "--gcp": 1, "--azure": 1, "lint": 1}


def files() -> Iterator[tuple[str, str]]:
    """What the clouds' own tools would have written: JSON blocks behind the files' names."""
    for name, content in re.findall(r"`(\w+\.json)`:\n\n```json\n(.*?)```", DOC, re.DOTALL):
        json.loads(content)
        yield name, content


def commands() -> Iterator[tuple[str, list[str]]]:
    """Each command with the lines that it is shown to print; `…` stands for others."""
    for block in re.findall(r"```console\n\$ (.*?)```", DOC, re.DOTALL):
        command, _, shown = block.replace("\\\n", " ").partition("\n")
        yield command, [line for line in shown.splitlines() if line.strip() not in ("", "…")]


def words(line: str) -> str:
    """A line without the width of its columns."""
    return " ".join(line.split())


async def test_from_what_is_configured_to_verdicts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    save_files(tmp_path)
    async with SandboxTrustDomain("example.org", jwt_issuer=ISSUER) as trust_domain:
        save_issuer(trust_domain, tmp_path / "issuer")
        cluster = await trust_domain.start_cluster("east")
        workload = await cluster.add_workload("ledger", Entry(WORKLOAD))
        asked = []
        for command, shown in commands():
            program, *arguments = shlex.split(command)
            assert program == "spire-bridge"
            ended = await run(*arguments, SPIFFE_ENDPOINT_SOCKET=workload.address)
            (kind,) = STATUSES.keys() & set(arguments) if "lint" not in arguments else {"lint"}
            assert ended.status == STATUSES[kind], ended.err
            printed = {words(line) for line in ended.out.splitlines()}
            assert [line for line in shown if words(line) not in printed] == []
            asked.append(kind)
    assert asked == list(STATUSES)


def save_files(folder: Path) -> None:
    for name, content in files():
        (folder / name).write_text(content)


def save_issuer(trust_domain: SandboxTrustDomain, folder: Path) -> None:
    """The two documents, as `curl` would have saved them."""
    folder.mkdir()
    discovery = {"issuer": ISSUER, "jwks_uri": f"{ISSUER}/keys"}
    keys = [{**key.public_jwk, "use": "sig"} for key in trust_domain.jwt.keys]
    (folder / "openid-configuration.json").write_text(json.dumps(discovery))
    (folder / "jwks.json").write_text(json.dumps({"keys": keys}))
