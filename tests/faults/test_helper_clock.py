"""Many outputs over a long time, by a clock that is set: no token on disk is ever expired."""

from __future__ import annotations

import base64
import json
import time
from pathlib import Path
from typing import Any

import pytest
from helper_in_process import HelperInProcess, helper_settings, helping_here

from spire_bridge.sandbox.entry import Entry
from spire_bridge.sandbox.jwt_authority import KeyType
from spire_bridge.sandbox.trust_domain import SandboxTrustDomain
from spire_bridge.workload.client import WorkloadClient

LIFETIME_SECONDS = 30


class SetClock:
    """Stands still until it is moved."""

    def __init__(self) -> None:
        self.now = float(int(time.time()))

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def fetches(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """A line for each token that was asked for."""
    counted: list[Any] = []
    fetch = WorkloadClient.fetch_jwt_svids

    async def counting(self: WorkloadClient, audience: Any, **options: Any) -> Any:
        counted.append(audience)
        return await fetch(self, audience, **options)

    monkeypatch.setattr(WorkloadClient, "fetch_jwt_svids", counting)
    return counted


def expiry(token: Path) -> float:
    body = token.read_text().split(".")[1]
    return float(json.loads(base64.urlsafe_b64decode(body + "=="))["exp"])


def token_outputs(folder: Path, count: int) -> list[dict[str, Any]]:
    return [
        {"name": f"o{n}", "jwt": {"audience": [f"a{n}"]}, "path": str(folder / f"{n}")}
        for n in range(count)
    ]


def soonest_expiry(folder: Path) -> float:
    return min(expiry(token) for token in folder.iterdir())


async def test_fifty_outputs_of_30_seconds_over_ten_minutes(
    tmp_path: Path, fetches: list[Any]
) -> None:
    clock = SetClock()
    entry = Entry("spiffe://example.org/w", jwt_ttl_seconds=LIFETIME_SECONDS)
    sandbox = SandboxTrustDomain("example.org", clock=clock, jwt_key_type=KeyType.EC_P256)
    async with sandbox:
        workload = await (await sandbox.start_cluster("east")).add_workload("w", entry)
        settings = helper_settings(workload.address, *token_outputs(tmp_path, 50))
        async with helping_here(settings, clock) as helper:
            await helper.ring()
            for _ in range(600):
                clock.now += 1
                await helper.ring()
                assert soonest_expiry(tmp_path) > clock.now
            # The agent renews at half-life, the helper asks a little before: at most three
            # times a lifetime, and each token was written once.
            most = 50 * 600 / LIFETIME_SECONDS * 3
            assert 50 * 600 / LIFETIME_SECONDS <= len(fetches) <= most
            writes = sum(state.writes for state in helper.states)
            assert writes < len(fetches)

            await suspend(clock, helper)
            assert soonest_expiry(tmp_path) > clock.now


async def suspend(clock: SetClock, helper: HelperInProcess) -> None:
    clock.now += 3600
    assert {state.condition(clock.now) for state in helper.states} == {"expired"}
    await helper.ring()
    assert {state.condition(clock.now) for state in helper.states} == {"fresh"}


async def test_a_thousand_outputs_in_one_process(tmp_path: Path) -> None:
    clock = SetClock()
    entry = Entry("spiffe://example.org/w", jwt_ttl_seconds=300)
    sandbox = SandboxTrustDomain("example.org", clock=clock, jwt_key_type=KeyType.EC_P256)
    async with sandbox:
        workload = await (await sandbox.start_cluster("east")).add_workload("w", entry)
        settings = helper_settings(workload.address, *token_outputs(tmp_path, 1000))
        async with helping_here(settings, clock) as helper:
            await helper.ring()
            assert {state.condition(clock.now) for state in helper.states} == {"fresh"}
            clock.now += 160  # more than half, here and at the agent
            await helper.ring()
            assert {state.writes for state in helper.states} == {2}
            assert soonest_expiry(tmp_path) > clock.now + 200
