"""The last good bundle on disk: over a restart while the agent is away, and on a bad disk."""

from __future__ import annotations

import asyncio
import json
import logging
import time
from pathlib import Path
from typing import Any

import pytest
from issuer_at_work import Clock, IssuerAtWork, issuing, settings_for

from spire_bridge.sandbox.cluster import Cluster
from spire_bridge.sandbox.trust_domain import SandboxTrustDomain
from spire_bridge.sandbox.workload import Workload
from spire_bridge.spiffe.bundle import Bundle
from spire_bridge.spiffe.jwt_bundle import JwtAuthority, JwtBundle
from spire_bridge.spiffe.x509_bundle import X509Bundle


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "last-good.json"


@pytest.fixture(
    params=[b"", b"{", b"[]", b'{"trust_domain": "other.org"}', b'{"trust_domain": "example.org"}']
)
def copy(request: pytest.FixtureRequest, file: Path) -> Path:
    """A file that is no last good copy."""
    file.write_bytes(request.param)
    return file


def mode_of(file: Path) -> int:
    return file.stat().st_mode & 0o777


def document_in(file: Path) -> Any:
    """The bundle document in a last good copy."""
    return json.loads(json.loads(file.read_text())["document"])


def keys_of(sandbox: SandboxTrustDomain) -> set[str]:
    return {key.key_id for key in sandbox.jwt.keys}


async def test_a_restart_while_the_agent_is_away_serves_on(
    sandbox: SandboxTrustDomain, cluster: Cluster, workload: Workload, file: Path
) -> None:
    settings = settings_for(workload, last_good={"path": str(file)})
    async with issuing(settings) as at_work:
        await at_work.serves(keys_of(sandbox))
    assert mode_of(file) == 0o600
    await cluster.stop()
    async with issuing(settings) as at_work:
        assert await at_work.key_ids() == keys_of(sandbox)
        await at_work.reports("east", "SOCKET_MISSING")
        status, verdict = await at_work.readyz()
        assert (status, verdict["reasons"]) == (200, [])
        assert 0 <= verdict["bundle_age_seconds"] < 10
        sandbox.jwt.prepare()
        await cluster.start()
        await at_work.serves(keys_of(sandbox))


async def test_an_old_copy_is_served_but_not_ready(
    sandbox: SandboxTrustDomain, cluster: Cluster, workload: Workload, file: Path
) -> None:
    settings = settings_for(workload, last_good={"path": str(file), "max_age_seconds": 60})
    async with issuing(settings) as at_work:
        await at_work.serves(keys_of(sandbox))
    await cluster.stop()
    async with issuing(settings, Clock(ahead=300)) as at_work:
        assert await at_work.key_ids() == keys_of(sandbox)
        status, verdict = await at_work.readyz()
        assert status == 503
        assert "was last confirmed 30" in verdict["reasons"][0]


async def test_the_copy_follows_every_change(
    sandbox: SandboxTrustDomain, workload: Workload, file: Path
) -> None:
    async with issuing(settings_for(workload, last_good={"path": str(file)})) as at_work:
        await at_work.serves(keys_of(sandbox))
        sandbox.jwt.prepare()
        await at_work.serves(keys_of(sandbox))
        assert {key["kid"] for key in document_in(file)["keys"]} == keys_of(sandbox)


@pytest.mark.parametrize("folder", ["absent/folder", "/proc"])
async def test_a_disk_that_takes_nothing_is_logged_and_the_service_goes_on(
    sandbox: SandboxTrustDomain,
    workload: Workload,
    tmp_path: Path,
    folder: str,
    caplog: pytest.LogCaptureFixture,
) -> None:
    path = str(tmp_path / folder / "last-good.json")
    async with issuing(settings_for(workload, last_good={"path": path})) as at_work:
        await at_work.serves(keys_of(sandbox))
        sandbox.jwt.prepare()
        await at_work.serves(keys_of(sandbox))
        assert (await at_work.readyz())[0] == 200
    failures = [r for r in caplog.records if r.getMessage() == "last good copy was not written"]
    assert failures
    assert {r.levelno for r in failures} == {logging.ERROR}
    assert path in vars(failures[0])["reason"]


async def test_a_copy_that_is_none_is_not_used(
    sandbox: SandboxTrustDomain,
    workload: Workload,
    copy: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    async with issuing(settings_for(workload, last_good={"path": str(copy)})) as at_work:
        assert "last good copy is not used" in caplog.text
        await at_work.serves(keys_of(sandbox))
    assert {key["kid"] for key in document_in(copy)["keys"]} == keys_of(sandbox)


def restore(at_work: IssuerAtWork, *authorities: JwtAuthority) -> None:
    """Puts a bundle in force that no agent tells of: theirs have no expiry."""
    store = at_work.store
    jwt = JwtBundle.of(store.trust_domain, authorities)
    store.restore(Bundle(store.trust_domain, jwt, X509Bundle(store.trust_domain)), time.time())


@pytest.fixture
async def kept(served: IssuerAtWork, cluster: Cluster) -> JwtAuthority:
    """The only key, which stays while its agent is away."""
    await cluster.stop()
    await served.reports("east", "SOCKET_MISSING")
    assert served.store.bundle is not None
    [authority] = served.store.bundle.jwt.authorities.values()
    return authority


async def test_a_key_that_expires_leaves_by_itself(
    served: IssuerAtWork, kept: JwtAuthority
) -> None:
    soon = JwtAuthority("soon", kept.key, expires_at=int(time.time()) + 2)
    restore(served, kept, soon)
    assert await served.key_ids() == {kept.key_id, "soon"}
    await served.serves({kept.key_id})


async def test_an_expiry_brings_no_older_bundle_back(
    served: IssuerAtWork, kept: JwtAuthority
) -> None:
    restore(served, kept, JwtAuthority("soon", kept.key, expires_at=int(time.time()) + 2))
    restore(served, kept, JwtAuthority("later", kept.key))
    await served.serves({kept.key_id, "later"})
    await asyncio.sleep(2.2)
    assert await served.key_ids() == {kept.key_id, "later"}
