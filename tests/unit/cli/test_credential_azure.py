"""`credential azure` as a process, against the sandbox and the model of Entra."""

from __future__ import annotations

import json
import stat
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from aws_at_work import SUBJECT, AwsAtWork, aws_at_work
from command_line import Ended, run

from spire_bridge.service.dev.cloud_accounts import APPLICATION, TENANT

HEAVY = ("grpc", "asyncio", "ssl", "http.client", "cryptography")
RESOURCE = ("--resource", "https://vault.azure.net")


@pytest.fixture
async def clouds(tmp_path: Path) -> AsyncIterator[AwsAtWork]:
    async with aws_at_work(tmp_path) as at_work:
        yield at_work


async def azure(clouds: AwsAtWork, *options: str, **changes: str) -> Ended:
    variables = {
        "AZURE_TENANT_ID": TENANT,
        "AZURE_CLIENT_ID": APPLICATION,
        "AZURE_AUTHORITY_HOST": clouds.addresses.https,
    }
    environment = clouds.environment(**(variables | changes))
    return await run(
        *("credential", "azure", "--ca-file", str(clouds.ca), *RESOURCE, *options), **environment
    )


async def test_a_token_is_printed_as_az_does_and_kept(clouds: AwsAtWork) -> None:
    ended = await azure(clouds, "--output", "json")
    assert (ended.status, ended.err) == (0, "")
    printed = ended.json()
    assert printed["accessToken"].startswith("model.")
    assert 3_590 < printed["expires_on"] - time.time() <= 3_599
    again = await azure(clouds, PYTHONPROFILEIMPORTTIME="1")
    assert again.json() == printed
    assert len(clouds.verdicts) == 1
    loaded = {line.rpartition("|")[2].strip() for line in again.err.splitlines()}
    assert "spire_bridge.credentials.cache" in loaded
    assert loaded.isdisjoint(HEAVY)
    (file,) = clouds.cache.rglob("*.json")
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


async def test_a_token_that_is_about_to_end_is_renewed(clouds: AwsAtWork) -> None:
    first = (await azure(clouds)).json()
    (file,) = clouds.cache.rglob("*.json")
    kept = json.loads(file.read_text())
    now = int(time.time())
    file.write_text(json.dumps({**kept, "kept_at": now - 3_300, "expires_at": now + 300}))
    assert (await azure(clouds)).json()["accessToken"] != first["accessToken"]
    assert len(clouds.verdicts) == 2


async def test_options_of_az_and_what_decides_what_is_kept(clouds: AwsAtWork) -> None:
    by_scope = ("--tenant-id", TENANT, "--subscription", "mine")
    ended = await azure(clouds, *by_scope)
    assert ended.json()["subscription"] == "mine"
    assert (await azure(clouds)).json()["subscription"] == TENANT
    assert len(clouds.verdicts) == 1
    assert (await azure(clouds, "--spiffe-id", SUBJECT)).status == 0
    assert (await azure(clouds, "--resource", "https://storage.azure.com")).status == 0
    assert len(clouds.verdicts) == 3
    assert (await azure(clouds, "--no-cache")).status == 0
    assert len(clouds.verdicts) == 4
    assert len(clouds.secrets_on_disk()) == 3


@pytest.mark.parametrize(
    ("options", "variables", "code", "status", "said"),
    [
        (("--hint", "other"), {}, "ENTRA_REFUSED", 1, "clause subject: AADSTS700213: "),
        (("--audience", "b"), {}, "ENTRA_REFUSED", 1, "clause audience: AADSTS700212: "),
        (("--client-id", "c"), {}, "ENTRA_REFUSED", 1, "clause application: AADSTS700016: "),
        (("--tenant", "t.test"), {}, "ENTRA_REFUSED", 1, "clause tenant: AADSTS90002: "),
        (("--tenant", "a/b"), {}, "AZURE_SETTING_INVALID", 2, "tenant"),
        ((), {"AZURE_TENANT_ID": ""}, "SETTING_MISSING", 2, "--tenant or $AZURE_TENANT_ID"),
        ((), {"AZURE_CLIENT_ID": ""}, "SETTING_MISSING", 2, "--client-id or $AZURE_CLIENT_ID"),
        (("--authority-host", "http://a.test"), {}, "ENDPOINT_INVALID", 2, "without TLS"),
        (("--authority-host", "https://127.0.0.1:1"), {}, "CALL_FAILED", 4, "can't be asked"),
        (("--hint", "unknown"), {}, "HINT_NOT_FOUND", 3, "hints"),
        ((), {"SPIFFE_ENDPOINT_SOCKET": "unix:///absent"}, "SOCKET_MISSING", 4, ""),
    ],
)
async def test_a_refusal_names_its_clause(
    clouds: AwsAtWork,
    options: tuple[str, ...],
    variables: dict[str, str],
    code: str,
    status: int,
    said: str,
) -> None:
    ended = await azure(clouds, *options, **variables)
    assert (ended.error, ended.status) == (code, status), ended.err
    assert said in ended.err
    assert "eyJ" not in ended.err
    assert clouds.secrets_on_disk() == []


async def test_a_certificate_that_is_not_trusted(clouds: AwsAtWork, tmp_path: Path) -> None:
    other = tmp_path / "none.pem"
    other.write_text("")
    assert (await azure(clouds, "--ca-file", str(other))).error == "ENDPOINT_INVALID"
    ended = await run(
        *("credential", "azure", "--tenant", TENANT, "--client-id", APPLICATION, "--no-cache"),
        *("--authority-host", clouds.addresses.https),
        SPIFFE_ENDPOINT_SOCKET=clouds.workload.address,
    )
    assert (ended.error, ended.status) == ("CALL_FAILED", 4)
    assert "is not trusted here" in ended.err
