"""`validate`, through the agent and against a file of keys."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from spire_bridge.sandbox.trust_domain import SandboxTrustDomain

WORKLOAD = "spiffe://example.org/workload"


@pytest.fixture
def token(sandbox: SandboxTrustDomain) -> str:
    return sandbox.jwt.issue(WORKLOAD, ["db"], 300).token


@pytest.fixture
def bundle(sandbox: SandboxTrustDomain, tmp_path: Path) -> Path:
    """The trust domain's keys in a file, as `fetch bundles` prints them."""
    file = tmp_path / "keys.json"
    file.write_text(json.dumps({"keys": [key.public_jwk for key in sandbox.jwt.keys]}))
    return file


@pytest.fixture
def token_file(token: str, tmp_path: Path) -> Path:
    file = tmp_path / "token.jwt"
    file.write_text(f"{token}\n")
    return file


async def test_the_agent_says_yes(cli: Any, token: str, token_file: Path) -> None:
    given = await cli("validate", "--audience", "db", given=f"{token}\n".encode())
    assert (given.status, given.err) == (0, "")
    assert given.out.startswith(f"valid: {WORKLOAD} for audience db, expires in ")
    named = await cli("validate", "--audience", "db", "--token", str(token_file))
    assert named.status == 0
    assert token not in given.out + named.out


async def test_verdicts_as_json(cli: Any, token: str, bundle: Path) -> None:
    for how in ([], ["--bundle", str(bundle)]):
        ended = await cli(
            "validate", "--audience", "db", "--output", "json", *how, given=token.encode()
        )
        verdict = ended.json()
        assert (verdict["valid"], verdict["spiffe_id"]) == (True, WORKLOAD)
        assert verdict["claims"]["sub"] == WORKLOAD
        assert isinstance(verdict["claims"]["exp"], int | float)


@pytest.mark.parametrize("offline", [False, True])
async def test_no_is_one_line_without_the_token(
    cli: Any, sandbox: SandboxTrustDomain, token: str, bundle: Path, offline: bool
) -> None:
    how = ["--bundle", str(bundle)] if offline else []
    expired = sandbox.jwt.issue(WORKLOAD, ["db"], 60, issued_at=1_600_000_000).token
    tampered = f"{token[:-8]}AAAAAAAA"
    for audience, candidate in (
        ("other", token),
        ("db", expired),
        ("db", tampered),
        ("db", ""),
        ("db", "not a token"),
        ("db", "a.b.c"),
        ("db", "é"),
        ("db", "a" * 100_000),
    ):
        ended = await cli("validate", "--audience", audience, *how, given=candidate.encode())
        assert ended.status == 1, ended
        assert ended.error
        assert token[-40:] not in ended.err


async def test_a_bundle_of_another_trust_domain_verifies_nothing(
    cli: Any, token: str, bundle: Path
) -> None:
    ended = await cli(
        *("validate", "--audience", "db", "--bundle", str(bundle)),
        *("--trust-domain", "other.org"),
        given=token.encode(),
    )
    assert ended.status == 1
    assert ended.error


async def test_files_that_are_none(cli: Any, token: str, tmp_path: Path) -> None:
    absent = str(tmp_path / "absent")
    for how in (["--bundle", absent], ["--token", absent], ["--token", str(tmp_path)]):
        ended = await cli("validate", "--audience", "db", *how, given=token.encode())
        assert (ended.status, ended.error) == (1, "FILE_FAILED")


async def test_a_set_with_a_secret_verifies_nothing(cli: Any, token: str, bundle: Path) -> None:
    key = {"kty": "oct", "k": "c2VjcmV0", "kid": "s"}
    write(bundle, {"keys": [key]})
    ended = await cli("validate", "--audience", "db", "--bundle", str(bundle), given=token.encode())
    assert (ended.status, ended.error) == (1, "BUNDLE_INVALID")
    assert "c2VjcmV0" not in ended.err


def write(file: Path, content: Any) -> None:
    file.write_text(json.dumps(content))


async def test_what_one_fetches_one_can_validate(cli: Any) -> None:
    token = (await cli("fetch", "jwt", "--audience", "db")).out
    assert (await cli("validate", "--audience", "db", given=token.encode())).status == 0
