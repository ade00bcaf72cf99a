"""The issuer service, at work for the third-party verifiers of these tests."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack

import pytest
import pytest_asyncio
from trust_domains.real_spire import SpireTrustDomain
from trust_domains.sandboxed import SandboxUnderTest
from trust_domains.spire_or_skip import running_spire
from trust_domains.under_test import TrustDomainUnderTest
from verifiers.issuers import NAME, IssuerUnderTest, free_url, serving


@pytest_asyncio.fixture(scope="module", loop_scope="module", params=["sandbox", "spire"])
async def issuer(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[IssuerUnderTest]:
    """One for a module: over the sandbox, then over real SPIRE.

    Its workload is /web, /other, and /brief, whose tokens last two seconds.
    """
    url = free_url()
    async with AsyncExitStack() as stack:
        trust_domain: TrustDomainUnderTest
        if request.param == "spire":
            logs = tmp_path_factory.mktemp("spire")
            trust_domain = SpireTrustDomain(stack.enter_context(running_spire(NAME, url, logs)))
            stack.push_async_callback(trust_domain.close)
        else:
            trust_domain = await stack.enter_async_context(SandboxUnderTest(NAME, url))
        agent = await trust_domain.agent("east")
        for path, jwt_ttl in (("/web", 300), ("/other", 300), ("/brief", 2)):
            await agent.register(path, jwt_ttl=jwt_ttl)
        await stack.enter_async_context(serving(url, agent.address))
        at_work = IssuerUnderTest(url, trust_domain, agent)
        await at_work.until(bool)
        yield at_work
