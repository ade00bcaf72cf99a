"""What is served follows what the agents tell: pushed, never asked for."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import pytest
from issuer_at_work import Clock, IssuerAtWork, issuing, settings_for, source, until
from loopback_http import ask

from spire_bridge.bundles.store import BundleStore
from spire_bridge.sandbox.answers import Answers
from spire_bridge.sandbox.cluster import Cluster
from spire_bridge.sandbox.entry import Entry
from spire_bridge.sandbox.faults import Fault
from spire_bridge.sandbox.trust_domain import SandboxTrustDomain
from spire_bridge.sandbox.workload import Workload
from spire_bridge.service.settings.serve import ServeSettings

WEB = Entry("spiffe://example.org/web")


def published(sandbox: SandboxTrustDomain) -> set[str]:
    return {key.key_id for key in sandbox.jwt.keys}


async def test_a_rotation_is_followed(served: IssuerAtWork, sandbox: SandboxTrustDomain) -> None:
    [old] = published(sandbox)
    new = sandbox.jwt.prepare()
    await served.serves({old, new})
    sandbox.jwt.activate()
    sandbox.jwt.taint(old)
    assert await served.key_ids() == {old, new}
    sandbox.jwt.revoke(old)
    await served.serves({new})


async def test_nothing_is_polled(
    sandbox: SandboxTrustDomain, cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[float] = []
    original = Answers.jwt_bundles

    def counted(self: Answers, request: Any) -> Any:
        told.append(time.monotonic())
        return original(self, request)

    monkeypatch.setattr(Answers, "jwt_bundles", counted)
    workload = await cluster.add_workload("web", WEB)
    async with issuing(settings_for(workload)) as at_work:
        await at_work.serves(published(sandbox))
        await asyncio.sleep(0.5)
        assert len(told) == 1
        sandbox.jwt.prepare()
        started = time.monotonic()
        await at_work.serves(published(sandbox))
        assert time.monotonic() - started < 0.5
        assert len(told) == 2


async def test_a_revocation_of_all_keys_is_obeyed_and_said(
    served: IssuerAtWork, sandbox: SandboxTrustDomain
) -> None:
    [only] = published(sandbox)
    sandbox.jwt.revoke(only)
    await served.serves(set())
    answer = await ask(served.addresses.issuer, "/keys")
    assert (answer.status, answer.json()) == (200, {"keys": []})
    status, verdict = await served.readyz()
    assert (status, verdict["keys"], verdict["reasons"]) == (200, 0, [])


async def test_both_documents_change_together(
    served: IssuerAtWork, sandbox: SandboxTrustDomain
) -> None:
    path = "/.well-known/openid-configuration"
    discovery = (await ask(served.addresses.issuer, path)).json()
    assert discovery["issuer"] == "https://issuer.example.org"
    assert discovery["jwks_uri"] == "https://issuer.example.org/keys"
    assert discovery["id_token_signing_alg_values_supported"] == ["RS256"]


async def test_two_processes_serve_the_same_bytes(
    served: IssuerAtWork, sandbox: SandboxTrustDomain, workload: Workload
) -> None:
    sandbox.jwt.prepare()
    await served.serves(published(sandbox))
    async with issuing(settings_for(workload)) as other:
        await other.serves(published(sandbox))
        for path in ("/keys", "/.well-known/openid-configuration"):
            one = await ask(served.addresses.issuer, path)
            two = await ask(other.addresses.issuer, path)
            assert (one.body, one.headers["etag"]) == (two.body, two.headers["etag"])


async def test_losing_the_agent_loses_nothing(
    served: IssuerAtWork, sandbox: SandboxTrustDomain, cluster: Cluster
) -> None:
    keys = published(sandbox)
    await cluster.stop()
    await served.reports("east", "SOCKET_MISSING")
    assert await served.key_ids() == keys
    status, verdict = await served.readyz()
    assert (status, verdict["sources"][0]["connected"]) == (200, False)
    sandbox.jwt.prepare()
    await cluster.start()
    await served.serves(published(sandbox))
    assert await served.error_of("east") is None


async def test_two_clusters_are_one_issuer(
    sandbox: SandboxTrustDomain, cluster: Cluster, workload: Workload
) -> None:
    west = await sandbox.start_cluster("west")
    other = await west.add_workload("web", WEB)
    async with issuing(settings_for(workload, other)) as at_work:
        await at_work.serves(published(sandbox))
        old = published(sandbox)
        west.hold_bundles()
        new = sandbox.jwt.prepare()
        await at_work.serves(old | {new})
        lagging = await at_work.source("west")
        assert (lagging["lagging"], lagging["missing_keys"]) == (True, [new])
        assert (await at_work.source("east"))["lagging"] is False
        west.release_bundles()

        async def lags() -> bool:
            return bool((await at_work.source("west"))["lagging"])

        await until(lags, False)
        await cluster.stop()
        sandbox.jwt.prepare()
        await at_work.serves(published(sandbox))


async def test_before_the_first_bundle_readiness_says_why(
    sandbox: SandboxTrustDomain, cluster: Cluster
) -> None:
    workload = await cluster.add_workload("web")
    async with issuing(settings_for(workload)) as at_work:
        assert await at_work.key_ids() == 503
        await at_work.reports("east", "PERMISSION_DENIED")
        status, verdict = await at_work.readyz()
        assert (status, verdict["ready"], verdict["keys"]) == (503, False, 0)
        assert verdict["bundle_age_seconds"] is None
        first, second = verdict["reasons"]
        assert first == "no bundle has arrived yet"
        assert second.startswith("source east: the agent has issued no such identity")
        assert second.endswith("[PERMISSION_DENIED]")
        assert (await ask(at_work.addresses.health, "/livez")).body == b"ok\n"
        workload.register(WEB)
        await at_work.serves(published(sandbox))
        assert (await at_work.readyz())[0] == 200


async def test_a_source_that_has_not_answered_yet_is_waited_for(workload: Workload) -> None:
    workload.fault = Fault.HANG
    patient = source(workload, timeout_seconds=30)
    async with issuing(settings_for(sources=[patient])) as at_work:
        status, verdict = await at_work.readyz()
        assert status == 503
        assert verdict["reasons"][1] == "source east: waiting for its first answer"


async def test_a_bundle_that_nobody_confirms_makes_unready_and_is_served_on(
    sandbox: SandboxTrustDomain, cluster: Cluster, workload: Workload
) -> None:
    clock = Clock()
    settings = settings_for(workload, last_good={"max_age_seconds": 60})
    async with issuing(settings, clock) as at_work:
        await at_work.serves(published(sandbox))
        clock.ahead = 120
        assert (await at_work.readyz())[0] == 200, "a connected source confirms it"
        clock.ahead = 0
        await cluster.stop()
        await at_work.reports("east", "SOCKET_MISSING")
        clock.ahead = 50
        assert (await at_work.readyz())[0] == 200
        clock.ahead = 62
        status, verdict = await at_work.readyz()
        assert (status, verdict["ready"]) == (503, False)
        [reason] = verdict["reasons"]
        age = round(verdict["bundle_age_seconds"])
        assert reason == f"the bundle was last confirmed {age} s ago; 60 s are allowed"
        assert await at_work.key_ids() == published(sandbox)
        await cluster.start()
        clock.ahead = 0
        await at_work.reports("east", None)
        assert (await at_work.readyz())[0] == 200


async def test_metrics_tell_the_same(served: IssuerAtWork, sandbox: SandboxTrustDomain) -> None:
    sandbox.jwt.prepare()
    await served.serves(published(sandbox))
    answer = await ask(served.addresses.health, "/metrics")
    assert answer.headers["content-type"].startswith("text/plain; version=1.0.0")
    lines = answer.body.decode().splitlines()
    assert 'spire_bridge_source_connected{issuer="example.org",source="east"} 1.0' in lines
    assert 'spire_bridge_source_keys{issuer="example.org",source="east"} 2.0' in lines
    assert 'spire_bridge_source_lagging{issuer="example.org",source="east"} 0.0' in lines
    assert 'spire_bridge_published_keys{issuer="example.org"} 2.0' in lines
    assert any(line.startswith("spire_bridge_bundle_age_seconds{") for line in lines)


async def test_health_is_not_on_the_issuers_listener(served: IssuerAtWork) -> None:
    for path in ("/livez", "/readyz", "/metrics"):
        assert (await ask(served.addresses.issuer, path)).status == 404
        assert (await ask(served.addresses.health, path, "POST")).status == 405
    assert (await ask(served.addresses.health, "/keys")).status == 404


async def test_a_defect_of_a_source_is_logged_and_the_rest_stays(
    served: IssuerAtWork,
    sandbox: SandboxTrustDomain,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    def fail(*_: Any) -> None:
        raise RuntimeError("a defect")

    keys = published(sandbox)
    monkeypatch.setattr(BundleStore, "_receive", fail)
    sandbox.jwt.prepare()

    async def logged() -> bool:
        return "source has failed" in caplog.text

    await until(logged, True)
    assert await served.key_ids() == keys


@pytest.mark.parametrize("url", ["http://127.0.0.1:8080", "https://issuer.example.org:8443"])
async def test_a_url_that_some_verifier_refuses_is_a_warning(
    workload: Workload, url: str, caplog: pytest.LogCaptureFixture
) -> None:
    settings: ServeSettings = settings_for(workload, issuer={"url": url})
    async with issuing(settings):
        pass
    warned = [
        (vars(record)["verifier"], vars(record)["reason"])
        for record in caplog.records
        if record.getMessage() == "a verifier will refuse this issuer"
    ]
    assert ("AWS", "the URL must not have a port") in warned
