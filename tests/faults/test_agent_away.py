"""The agent is killed, and comes back; meanwhile the issuer and SPIRE's server are restarted.

An absence lasts a few seconds here, and a whole minute with SOAK=1.
"""

from __future__ import annotations

import asyncio
import os

import pytest
from operated_issuer import OperatedIssuer, key_ids
from readers.findings import Absence
from readers.load import load_on
from trust_domains.under_test import AgentUnderTest, TrustDomainUnderTest

pytestmark = pytest.mark.timeout(240)

ABSENCE_SECONDS = 60.0 if os.environ.get("SOAK") == "1" else 2.0


async def test_readers_do_not_notice_that_the_agent_is_away(
    issuer: OperatedIssuer, agent: AgentUnderTest
) -> None:
    async with load_on(issuer.place, await issuer.key_ids()) as load:
        await agent.kill()
        await issuer.until_connected("east", False)
        await asyncio.sleep(ABSENCE_SECONDS)
        await load.goes_on()
        await agent.start()
        await issuer.until_connected("east")
        await load.goes_on()


async def test_restarts_of_issuer_and_server_and_another_key_while_the_agent_is_away(
    issuer: OperatedIssuer, agent: AgentUnderTest, trust_domain: TrustDomainUnderTest
) -> None:
    old = await issuer.key_ids()
    async with load_on(issuer.place, old) as load:
        await agent.kill()
        await issuer.until_connected("east", False)
        await trust_domain.stop_server()

        for how, end in ((Absence.STOPPED, issuer.stop), (Absence.KILLED, issuer.kill)):
            before = await issuer.keys()
            async with load.absence(how):
                await end()
                await issuer.start()
                first = await issuer.keys()
            assert (first.status, first.body) == (200, before.body)
            await load.goes_on()

        await trust_domain.start_server()
        new = await trust_domain.prepare_jwt()
        former = await trust_domain.activate_jwt(new)
        assert former in old
        await asyncio.sleep(ABSENCE_SECONDS)
        assert key_ids(await issuer.keys()) == old

        both = old | {new}
        await load.expect(old, both)
        await agent.start()
        assert await issuer.until_served(lambda served: new in served) == both
        await load.expect(both)
        await load.goes_on()

        await load.expect(both, both - {former})
        await trust_domain.taint_jwt(former)
        await trust_domain.revoke_jwt(former)
        await issuer.until_served(lambda served: served == both - {former})
        await load.expect(both - {former})
        await load.goes_on()
