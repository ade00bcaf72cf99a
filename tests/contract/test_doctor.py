"""`doctor` at real agents: a path that works, and one without an entry."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from command_line import run
from trust_domains.real_spire import SpireTrustDomain
from trust_domains.spire_processes import SpireServer
from trust_domains.under_test import AgentUnderTest, TrustDomainUnderTest

from spire_bridge.workload.client import WorkloadClient

pytestmark = pytest.mark.timeout(120)


async def saved_issuer(
    trust_domain: TrustDomainUnderTest, client: WorkloadClient, folder: Path
) -> Path:
    """The two documents of the trust domain's issuer, with the keys that the agent knows."""
    (bundle,) = (await client.fetch_jwt_bundles()).values()
    keys = [{**a.key.to_jwk(), "kid": a.key_id} for a in bundle.authorities.values()]
    documents = {
        "openid-configuration.json": {"issuer": trust_domain.issuer},
        "jwks.json": {"keys": keys},
    }
    for name, document in documents.items():
        (folder / name).write_text(json.dumps(document))
    return folder


async def test_a_healthy_path(
    trust_domain: TrustDomainUnderTest,
    agent: AgentUnderTest,
    client: WorkloadClient,
    tmp_path: Path,
) -> None:
    spiffe_id = await agent.register("/web", hint="internal")
    issuer = await saved_issuer(trust_domain, client, tmp_path)
    words = ("--audience", "here", "--issuer", str(issuer), "--socket", agent.address)
    ended = await run("doctor", *words, "--output", "json")
    report = ended.json()
    outcomes = {check["check"]: check["outcome"] for check in report["checks"]}
    assert ended.status == 0, report
    assert set(outcomes.values()) == {"ok", "skip"}, report
    skipped = [name for name, outcome in outcomes.items() if outcome == "skip"]
    assert skipped == ["environment", "files", "clouds"]
    assert report["checks"][1]["seen"] == f"{spiffe_id} (hint internal)"
    assert report["checks"][7]["seen"] == "the SPIRE server's agrees"


async def test_no_entry_and_the_command_that_makes_one(
    trust_domain: TrustDomainUnderTest, agent: AgentUnderTest
) -> None:
    wanted = f"spiffe://{trust_domain.name}/web"
    words = ("--spiffe-id", wanted, "--socket", agent.address)
    ended = await run("doctor", *words)
    assert ended.status == 3
    assert ended.err == "broken at: entry (PERMISSION_DENIED)\n"
    assert f"-spiffeID {wanted} -selector unix:uid:" in ended.out
    await agent.register("/web")
    ended = await run("doctor", *words, "--output", "json")
    assert ended.json()["checks"][1]["seen"] == wanted


async def test_an_agent_that_was_stopped(agent: AgentUnderTest) -> None:
    await agent.register("/web")
    await agent.stop()
    ended = await run("doctor", "--socket", agent.address)
    await agent.start()
    assert ended.status == 4
    assert ended.err.startswith("broken at: socket (")


async def test_an_agent_whose_server_is_away(spire_server: SpireServer) -> None:
    """Only a real agent asks a server for tokens."""
    trust_domain = SpireTrustDomain(spire_server)
    try:
        agent = await trust_domain.agent("lonely")
        await agent.register("/web")
        words = ("--socket", agent.address, "--timeout", "3s")
        await run("doctor", *words, "--audience", "kept")
        await trust_domain.stop_server()
        try:
            kept = await run("doctor", *words, "--audience", "kept")
            new = await run("doctor", *words, "--audience", "new")
        finally:
            await trust_domain.start_server()
    finally:
        await trust_domain.close()
    assert "warn  clock           the agent gives no new token" in kept.out
    assert new.status == 4
    assert new.err.startswith("broken at: entry (")
    assert "can the agent reach its server?" in new.out
