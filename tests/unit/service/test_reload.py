"""A reload while the issuer is at work."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from issuer_at_work import LOOPBACK, IssuerAtWork, issuing, settings_for, source
from loopback_http import ask

from spire_bridge.config.yaml import InvalidConfig
from spire_bridge.sandbox.cluster import Cluster
from spire_bridge.sandbox.entry import Entry
from spire_bridge.sandbox.faults import Fault
from spire_bridge.sandbox.trust_domain import SandboxTrustDomain
from spire_bridge.sandbox.workload import Workload


def keys_of(sandbox: SandboxTrustDomain) -> set[str]:
    return {key.key_id for key in sandbox.jwt.keys}


async def source_names(at_work: IssuerAtWork) -> list[str]:
    _, verdict = await at_work.readyz()
    return [source["name"] for source in verdict["sources"]]


@pytest.fixture
async def west(sandbox: SandboxTrustDomain) -> Workload:
    """A workload of a second cluster."""
    cluster = await sandbox.start_cluster("west")
    return await cluster.add_workload("web", Entry("spiffe://example.org/web"))


async def test_a_source_is_added_and_removed(
    served: IssuerAtWork,
    sandbox: SandboxTrustDomain,
    cluster: Cluster,
    workload: Workload,
    west: Workload,
) -> None:
    await served.issuer.reload(settings_for(workload, west))
    await served.reports("west", None)
    assert await source_names(served) == ["east", "west"]
    await served.issuer.reload(settings_for(west))
    assert await source_names(served) == ["west"]
    assert await served.key_ids() == keys_of(sandbox)
    await cluster.stop()
    sandbox.jwt.prepare()
    await served.serves(keys_of(sandbox))


async def test_a_source_changes_in_place(
    served: IssuerAtWork, sandbox: SandboxTrustDomain, workload: Workload, west: Workload
) -> None:
    moved = source(west) | {"name": "east"}
    await served.issuer.reload(settings_for(sources=[moved]))
    assert await source_names(served) == ["east"]
    assert await served.key_ids() == keys_of(sandbox), "nothing is lost on the way"
    workload.jwks = b'{"keys": []}'
    sandbox.jwt.prepare()
    await served.serves(keys_of(sandbox))


async def test_what_has_not_changed_is_left_alone(
    served: IssuerAtWork, workload: Workload, west: Workload
) -> None:
    since = (await served.source("east"))["since_seconds"]
    await asyncio.sleep(0.3)
    await served.issuer.reload(settings_for(workload, west))
    assert (await served.source("east"))["since_seconds"] > since


async def test_a_changed_cache_time_is_served_at_once(
    served: IssuerAtWork, workload: Workload
) -> None:
    url = "https://issuer.example.org"
    changed = settings_for(workload, issuer={"url": url, "cache_seconds": 7})
    await served.issuer.reload(changed)
    answer = await ask(served.addresses.issuer, "/keys")
    assert answer.headers["cache-control"] == "public, max-age=7"


async def test_a_changed_age_limit_is_in_force_at_once(
    served: IssuerAtWork, cluster: Cluster, workload: Workload
) -> None:
    await cluster.stop()
    await served.reports("east", "SOCKET_MISSING")
    await asyncio.sleep(1.1)
    assert (await served.readyz())[0] == 200
    await served.issuer.reload(settings_for(workload, last_good={"max_age_seconds": 1}))
    assert (await served.readyz())[0] == 503


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("trust_domain", {"trust_domain": "other.org"}),
        ("issuer.url", {"issuer": {"url": "https://other.example.org"}}),
        ("listen", {"listen": {"address": "127.0.0.1:1"}}),
        ("health", {"health": {"address": "127.0.0.1:1"}}),
        ("last_good.path", {"last_good": {"path": "/nowhere/last-good.json"}}),
        ("log", {"log": {"level": "debug"}}),
    ],
)
async def test_what_needs_a_restart_is_refused_whole(
    served: IssuerAtWork,
    sandbox: SandboxTrustDomain,
    workload: Workload,
    west: Workload,
    name: str,
    change: dict[str, Any],
) -> None:
    with pytest.raises(InvalidConfig, match=f"a restart is needed to change {name}$"):
        await served.issuer.reload(settings_for(workload, west, **change))
    assert await source_names(served) == ["east"]
    assert await served.key_ids() == keys_of(sandbox)


async def test_reloads_come_one_after_the_other(
    served: IssuerAtWork, workload: Workload, west: Workload
) -> None:
    wanted = [
        settings_for(workload, west),
        settings_for(west),
        settings_for(workload),
        settings_for(sources=[source(workload, timeout_seconds=1.0)]),
        settings_for(west, workload),
    ]
    for settings in wanted:
        await served.issuer.reload(settings)
    await asyncio.gather(*(served.issuer.reload(settings) for settings in wanted * 3))
    assert sorted(await source_names(served)) == ["east", "west"]
    await served.reports("east", None)
    await served.reports("west", None)


async def test_a_source_that_an_answer_has_ended_starts_again(
    sandbox: SandboxTrustDomain, workload: Workload
) -> None:
    workload.fault = Fault.UNIMPLEMENTED
    settings = settings_for(workload, listen=LOOPBACK)
    async with issuing(settings) as at_work:
        await at_work.reports("east", "UNIMPLEMENTED")
        workload.fault = None
        await asyncio.sleep(0.3)
        assert await at_work.key_ids() == 503, "the standard forbids another try"
        await at_work.issuer.reload(settings)
        await at_work.serves(keys_of(sandbox))
