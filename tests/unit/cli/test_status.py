"""`status`, asked of an issuer at work."""

from __future__ import annotations

import json
from pathlib import Path

from command_line import run
from issuer_at_work import issuing, settings_for

from spire_bridge.sandbox.faults import Fault
from spire_bridge.sandbox.trust_domain import SandboxTrustDomain
from spire_bridge.sandbox.workload import Workload


async def test_a_ready_issuer(sandbox: SandboxTrustDomain, workload: Workload) -> None:
    (key,) = sandbox.jwt.keys
    async with issuing(settings_for(workload)) as at_work:
        await at_work.reports("east", None)
        ended = await run("status", "--health", str(at_work.addresses.health))

    assert (ended.status, ended.err) == (0, "")
    first, _, heading, row, _, *keys = ended.out.splitlines()
    assert first == "https://issuer.example.org: ready: 1 keys, bundle confirmed 0s ago"
    assert heading.split() == ["SOURCE", "STATE", "FOR", "KEYS", "NOTE"]
    assert row.split()[:2] == ["east", "connected"]
    assert keys[0].split()[:6] == ["KEY", "ALG", "STATE", "SEEN", "PUBLISHED", "SIGNING"]
    assert keys[1].split()[:3] == [key.key_id, "RS256", "published"]


async def test_an_issuer_that_waits_for_its_source(workload: Workload) -> None:
    workload.fault = Fault.PERMISSION_DENIED
    async with issuing(settings_for(workload)) as at_work:
        await at_work.reports("east", "PERMISSION_DENIED")
        ended = await run("status", "--health", str(at_work.addresses.health))
        as_json = await run("status", "--health", str(at_work.addresses.health), "--output", "json")

    assert ended.status == as_json.status == 4
    assert ended.out.startswith("https://issuer.example.org: NOT READY: 0 keys, no bundle\n")
    assert "PERMISSION_DENIED: the agent has issued no such identity" in ended.out
    assert json.loads(as_json.out)["ready"] is False


async def test_nobody_there(tmp_path: Path) -> None:
    ended = await run("status", "--health", "127.0.0.1:1")

    assert (ended.status, ended.out) == (4, "")
    assert ended.err.startswith("error[STATUS_UNAVAILABLE]: no issuer answers at 127.0.0.1:1")
