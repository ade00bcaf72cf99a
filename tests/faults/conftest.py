"""Issuers at work in a process of their own, over the sandbox and over real SPIRE."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest
from operated_issuer import Operate, OperatedIssuer
from trust_domains.under_test import AgentUnderTest, TrustDomainUnderTest
from web_certificates import WebAuthority


@pytest.fixture
async def agent(trust_domain: TrustDomainUnderTest) -> AgentUnderTest:
    """An agent that knows the issuer, and so serves it the bundle."""
    agent = await trust_domain.agent("east")
    await agent.register("/issuer")
    return agent


@pytest.fixture
async def operate(tmp_path: Path, trust_domain: TrustDomainUnderTest) -> AsyncIterator[Operate]:
    """Starts an issuer with these sources and listener, and returns once it serves keys."""
    async with AsyncExitStack() as stack:

        async def operate(*sources: dict[str, Any], **listen: Any) -> OperatedIssuer:
            issuer = OperatedIssuer(tmp_path, trust_domain, sources, **listen)
            stack.push_async_callback(issuer.kill)
            await issuer.start()
            await issuer.until_served(bool)
            return issuer

        yield operate


@pytest.fixture
def transport(request: pytest.FixtureRequest) -> str:
    """What the issuer listens on: tcp, unless a test asks for unix or tls."""
    return getattr(request, "param", "tcp")


@pytest.fixture
def listen(transport: str, tmp_path: Path) -> dict[str, Any]:
    """The listener of that kind, as `operate` takes it."""
    match transport:
        case "unix":
            return {"socket": tmp_path / "issuer.sock"}
        case "tls":
            authority = WebAuthority(tmp_path)
            pair = authority.issue()
            certificate, key = tmp_path / "tls.pem", tmp_path / "tls.key"
            certificate.write_bytes(pair.certificate)
            key.write_bytes(pair.key)
            tls = {"certificate": str(certificate), "key": str(key), "interval_seconds": 0.2}
            return {"tls": tls, "ca_file": authority.file}
        case _:
            return {}


@pytest.fixture
async def issuer(operate: Operate, agent: AgentUnderTest, listen: dict[str, Any]) -> OperatedIssuer:
    """One that follows the agent."""
    source = {"name": "east", "workload_api": {"address": agent.address}}
    return await operate(source, **listen)
