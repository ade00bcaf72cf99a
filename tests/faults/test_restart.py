"""The issuer is restarted again and again: whoever got through to it gets his answer."""

from __future__ import annotations

import pytest
from operated_issuer import OperatedIssuer
from readers.findings import Absence
from readers.load import load_on

pytestmark = pytest.mark.timeout(120)

RESTARTS = 4
READS_BETWEEN = 200


@pytest.mark.parametrize(
    ("trust_domain", "transport"),
    [("sandbox", "tcp"), ("sandbox", "unix"), ("sandbox", "tls"), ("spire", "tcp")],
    indirect=True,
)
async def test_readers_find_nobody_or_get_their_answer(issuer: OperatedIssuer) -> None:
    async with load_on(issuer.place, await issuer.key_ids()) as load:
        for _ in range(RESTARTS):
            async with load.absence(Absence.STOPPED):
                await issuer.stop()
                await issuer.start()
                assert (await issuer.keys()).status == 200
            await load.goes_on(READS_BETWEEN)

        async with load.absence(Absence.KILLED):  # which leaves a unix socket behind
            await issuer.kill()
            await issuer.start()
            assert (await issuer.keys()).status == 200
        await load.goes_on(READS_BETWEEN)
