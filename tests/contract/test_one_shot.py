"""The quick call beside the gRPC client: the same tokens and the same errors from each agent."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from outcomes import of_client, of_one_shot
from trust_domains.under_test import AgentUnderTest, TrustDomainUnderTest

from spire_bridge.transport.rpc_errors import PermissionDenied
from spire_bridge.workload import one_shot

pytestmark = pytest.mark.timeout(120)


@pytest.fixture(autouse=True)
def client_is_never_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    """What these agents say is plain: nothing is left to the gRPC client."""

    def refuse(*_: Any) -> None:
        raise AssertionError("the answer was not understood")

    monkeypatch.setattr(one_shot, "_ask", refuse)


async def test_the_same_token(agent: AgentUnderTest) -> None:
    """Agents keep a token for the next who asks, so that the two can be compared whole."""
    await agent.register("/web", hint="internal")
    for audience in (["db"], ["db", "cache"], ["é☃"]):
        (svid,) = await of_one_shot(agent.address, audience)
        assert set(svid.audience) == set(audience)
        assert svid.hint == "internal"
        assert await of_client(agent.address, audience) == (svid,)


async def test_the_same_tokens_of_many_identities(agent: AgentUnderTest) -> None:
    """Long enough for several frames, and with several field blocks from one encoder."""
    ids = [await agent.register(f"/{'x' * 200}-{n}", until_served=n == 39) for n in range(40)]
    svids = await of_one_shot(agent.address, ["db"])
    assert {str(svid.spiffe_id) for svid in svids} == set(ids)
    assert svids == await of_client(agent.address, ["db"])


async def test_one_identity_by_its_id_and_by_its_hint(agent: AgentUnderTest) -> None:
    await agent.register("/one", hint="one")
    wanted = await agent.register("/two", hint="two")
    (svid,) = await of_one_shot(agent.address, ["db"], spiffe_id=wanted)
    assert await of_client(agent.address, ["db"], spiffe_id=wanted) == (svid,)
    assert await of_one_shot(agent.address, ["db"], one_shot.fetch_jwt_svid, hint="two") == svid


async def test_the_same_denial_without_an_entry(agent: AgentUnderTest) -> None:
    error = await of_one_shot(agent.address, ["db"])
    assert error[0] is PermissionDenied
    assert error == await of_client(agent.address, ["db"])


async def test_the_same_denial_of_an_identity_of_somebody_else(
    trust_domain: TrustDomainUnderTest, agent: AgentUnderTest
) -> None:
    await agent.register("/web")
    for unknown in (f"spiffe://{trust_domain.name}/other", "spiffe://elsewhere.test/web"):
        error = await of_one_shot(agent.address, ["db"], spiffe_id=unknown)
        assert error[0] is PermissionDenied
        assert error == await of_client(agent.address, ["db"], spiffe_id=unknown)


async def test_many_calls_at_once(agent: AgentUnderTest) -> None:
    await agent.register("/web")
    expected = await of_client(agent.address, ["db"])
    calls = [of_one_shot(agent.address, ["db"]) for _ in range(20)]
    assert await asyncio.gather(*calls) == [expected] * 20
