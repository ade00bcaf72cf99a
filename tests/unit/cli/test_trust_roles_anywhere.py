"""`trust evaluate` with an X.509-SVID, for IAM Roles Anywhere."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from anywhere_role import anywhere_role


async def description(cli: Any, **anchor: Any) -> str:
    """A role for every workload of the sandbox's trust domain."""
    bundles = (await cli("fetch", "bundles", "--output", "json")).json()
    authorities = bundles["example.org"]["x509_authorities"]
    return json.dumps(anywhere_role(authorities, **anchor))


def write(file: Path, content: str) -> None:
    file.write_text(content)


@pytest.fixture
async def trust(cli: Any, tmp_path: Path) -> Path:
    file = tmp_path / "anywhere.json"
    file.write_text(await description(cli))
    return file


async def test_the_agent_s_svid(cli: Any, trust: Path) -> None:
    ended = await cli("trust", "evaluate", "--roles-anywhere", str(trust))
    assert (ended.status, ended.err) == (0, "")
    assert "accepted as" in ended.out
    assert "arn:aws:sts::123456789012:assumed-role/workload/" in ended.out


async def test_a_chain_in_a_file(cli: Any, trust: Path, tmp_path: Path) -> None:
    await cli("fetch", "x509", "--write", str(tmp_path))
    words = ("trust", "evaluate", "--roles-anywhere", str(trust), "--output", "json")
    ended = await cli(*words, "--certificate", str(tmp_path / "svid.0.pem"))
    answer = ended.json()
    assert (ended.status, answer["accepted"]) == (0, True)
    assert (answer["token"], answer["issuer"]) == (None, None)
    (verdict,) = answer["verdicts"]
    assert verdict["verifier"] == "roles-anywhere"
    later = await cli(*words, "--certificate", str(tmp_path / "svid.0.pem"), "--at", "+48h")
    assert later.status == 1


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (("--certificate", "absent.pem"), "TOKEN_UNREADABLE"),
        (("--spiffe-id", "spiffe://example.org/other"), "TOKEN_UNREADABLE"),
    ],
)
async def test_no_certificate_to_show(
    cli: Any, trust: Path, words: tuple[str, ...], code: str
) -> None:
    ended = await cli("trust", "evaluate", "--roles-anywhere", str(trust), *words)
    assert (ended.status, ended.error) == (2, code)


async def test_a_disabled_anchor(cli: Any, trust: Path) -> None:
    write(trust, await description(cli, enabled=False))
    ended = await cli("trust", "evaluate", "--roles-anywhere", str(trust))
    assert ended.status == 1
    assert "AccessDeniedException (HTTP 403)" in ended.out
