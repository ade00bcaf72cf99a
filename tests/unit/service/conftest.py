"""An issuer at work on the shared sandbox."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from issuer_at_work import IssuerAtWork, issuing, settings_for

from spire_bridge.sandbox.trust_domain import SandboxTrustDomain
from spire_bridge.sandbox.workload import Workload


@pytest.fixture
async def served(sandbox: SandboxTrustDomain, workload: Workload) -> AsyncIterator[IssuerAtWork]:
    """An issuer that follows the agent "east" and serves its keys."""
    async with issuing(settings_for(workload)) as at_work:
        await at_work.serves({key.key_id for key in sandbox.jwt.keys})
        yield at_work
