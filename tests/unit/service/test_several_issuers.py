"""Several issuers in one process, each with its own trust domain, URLs and rules."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from typing import Any

import msgspec
import pytest
from issuer_at_work import LOOPBACK, IssuerAtWork, issuing, source, until
from loopback_http import ask

from spire_bridge.config.yaml import InvalidConfig
from spire_bridge.sandbox.entry import Entry
from spire_bridge.sandbox.trust_domain import SandboxTrustDomain
from spire_bridge.sandbox.workload import Workload
from spire_bridge.service.settings.serve import ServeSettings

WELL_KNOWN = "/.well-known/openid-configuration"


@pytest.fixture
async def other(sandbox: SandboxTrustDomain) -> AsyncIterator[tuple[SandboxTrustDomain, Workload]]:
    """A second trust domain, and a workload of it."""
    async with SandboxTrustDomain("other.org", jwt_issuer="https://b.example") as trust_domain:
        cluster = await trust_domain.start_cluster("east")
        yield trust_domain, await cluster.add_workload("web", Entry("spiffe://other.org/web"))


def block(name: str, trust_domain: str, workload: Workload, **issuer: Any) -> dict[str, Any]:
    return {
        "name": name,
        "trust_domain": trust_domain,
        "issuer": issuer,
        "sources": [source(workload)],
    }


def settings(*blocks: dict[str, Any]) -> ServeSettings:
    content = {"issuers": blocks, "listen": LOOPBACK, "health": LOOPBACK}
    return msgspec.convert(content, ServeSettings)


def kids(sandbox: SandboxTrustDomain) -> set[str]:
    return {key.key_id for key in sandbox.jwt.keys}


class Reader:
    """A relying party that names a host."""

    def __init__(self, at_work: IssuerAtWork, host: str, path: str = "") -> None:
        self._at_work, self._host, self._path = at_work, host, path

    async def keys(self) -> set[str] | int:
        answer = await self._get("/keys")
        return {k["kid"] for k in answer.json()["keys"]} if answer.status == 200 else answer.status

    async def issuer(self) -> str | int:
        answer = await self._get(WELL_KNOWN)
        return str(answer.json()["issuer"]) if answer.status == 200 else int(answer.status)

    async def _get(self, path: str) -> Any:
        address = self._at_work.addresses.issuer
        return await ask(address, self._path + path, headers={"host": self._host})


async def test_each_issuer_has_its_own_keys_and_no_others(
    sandbox: SandboxTrustDomain, workload: Workload, other: tuple[SandboxTrustDomain, Workload]
) -> None:
    other_domain, other_workload = other
    two = settings(
        block("first", "example.org", workload, urls=["https://a.example", "https://a.test/x"]),
        block("second", "other.org", other_workload, url="https://b.example"),
    )
    async with issuing(two) as at_work:
        first, second = Reader(at_work, "a.example"), Reader(at_work, "b.example")
        await until(first.keys, kids(sandbox))
        await until(second.keys, kids(other_domain))
        assert await first.issuer() == "https://a.example"
        assert await second.issuer() == "https://b.example"
        # One has its path for itself, whatever the host.
        assert await Reader(at_work, "b.example", "/x").issuer() == "https://a.test/x"
        assert await Reader(at_work, "c.example").issuer() == 421

        other_domain.jwt.prepare()
        await until(second.keys, kids(other_domain))
        assert await first.keys() == kids(sandbox)


async def test_one_issuer_that_is_not_ready_is_named(
    sandbox: SandboxTrustDomain, workload: Workload
) -> None:
    lost = block("lost", "example.org", workload, url="https://b.example")
    lost["sources"] = [{"name": "x", "workload_api": {"address": "unix:///nowhere/x.sock"}}]
    both = settings(block("good", "example.org", workload, url="https://a.example"), lost)
    async with issuing(both) as at_work:
        await until(Reader(at_work, "a.example").keys, kids(sandbox))
        answer = await ask(at_work.addresses.health, "/readyz")
        assert (answer.status, answer.json()["ready"]) == (503, False)
        assert {i["name"]: i["ready"] for i in answer.json()["issuers"]} == {
            "good": True,
            "lost": False,
        }
        assert await Reader(at_work, "b.example").keys() == 503


async def test_a_reload_changes_the_rules_of_one_and_no_names(
    sandbox: SandboxTrustDomain, workload: Workload
) -> None:
    first = block("first", "example.org", workload, url="https://a.example")
    second = block("second", "example.org", workload, url="https://b.example")
    async with AsyncExitStack() as stack:
        at_work = await stack.enter_async_context(issuing(settings(first, second)))
        for host in ("a.example", "b.example"):
            await until(Reader(at_work, host).keys, kids(sandbox))
        only_p521 = {"url": "https://b.example", "algorithms": ["ES512"]}
        await at_work.issuer.reload(settings(first, second | {"issuer": only_p521}))
        assert await Reader(at_work, "b.example").keys() == set()
        assert await Reader(at_work, "a.example").keys() == kids(sandbox)
        with pytest.raises(InvalidConfig, match="a restart is needed to change issuers"):
            await at_work.issuer.reload(settings(first))
        moved = second | {"issuer": {"url": "https://c.example"}}
        with pytest.raises(InvalidConfig, match=r"a restart is needed to change issuer\.url"):
            await at_work.issuer.reload(settings(first, moved))


async def test_the_key_that_signs_is_seen(sandbox: SandboxTrustDomain, workload: Workload) -> None:
    one = settings(block("one", "example.org", workload, url="https://a.example"))
    async with issuing(one) as at_work:

        async def signing() -> set[str]:
            status = (await ask(at_work.addresses.health, "/status")).json()
            history = status["issuers"][0]["key_history"]
            assert not any(key["signed_too_early"] for key in history)
            return {key["key_id"] for key in history if key["first_signed"]}

        await until(signing, kids(sandbox))
        scraped = (await ask(at_work.addresses.health, "/metrics")).body.decode()
        (key_id,) = kids(sandbox)
        assert f'key_first_signed_timestamp_seconds{{issuer="one",key_id="{key_id}"}}' in scraped
