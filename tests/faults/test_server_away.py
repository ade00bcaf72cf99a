"""The issuer asks SPIRE's server itself, which is restarted and comes back with another key."""

from __future__ import annotations

import pytest
from operated_issuer import Operate
from readers.load import load_on
from trust_domains.under_test import TrustDomainUnderTest

pytestmark = pytest.mark.timeout(120)


async def test_readers_do_not_notice_that_the_server_is_away(
    trust_domain: TrustDomainUnderTest, operate: Operate
) -> None:
    address = trust_domain.server_address
    issuer = await operate(
        {"name": "server", "server_api": {"address": address, "interval_seconds": 0.5}}
    )
    old = await issuer.key_ids()
    async with load_on(issuer.place, old) as load:
        await trust_domain.stop_server()
        await issuer.until_connected("server", False)
        await load.goes_on()

        await trust_domain.start_server()
        async with load.growth():
            new = await trust_domain.prepare_jwt()
            await load.expect(old, old | {new})
        former = await trust_domain.activate_jwt(new)
        await issuer.until_served(lambda served: served == old | {new})
        await load.expect(old | {new})
        await issuer.until_connected("server")
        await load.goes_on()

        await load.expect(old | {new}, old - {former} | {new})
        await trust_domain.taint_jwt(former)
        await trust_domain.revoke_jwt(former)
        await issuer.until_served(lambda served: former not in served)
        await load.expect(old - {former} | {new})
        await load.goes_on()
