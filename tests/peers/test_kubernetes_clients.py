"""`credential kubernetes` as the exec plugin of PyPI's `kubernetes` and of kubectl."""

from __future__ import annotations

import asyncio
import shlex
import shutil
import stat
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import kubernetes.client
import kubernetes.config
import pytest
import pytest_asyncio
import yaml
from command_line import PROGRAM, ROOT, Ended, environment, run
from verifiers.api_server import ApiServer
from verifiers.issuers import IssuerUnderTest
from verifiers.kubernetes_cluster import PODS, KubernetesCluster, server_tls, serving
from verifiers.private_ca import PrivateCa

from spire_bridge.workload.client import WorkloadClient

pytestmark = [
    pytest.mark.asyncio(loop_scope="module"),
    pytest.mark.timeout(600),  # Kubernetes' library is built, once
]

AUDIENCE = "east"

Kubeconfig = Callable[..., Awaitable[Path]]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def cluster(
    secure_issuer: IssuerUnderTest, api_server: ApiServer, tls: PrivateCa
) -> AsyncIterator[KubernetesCluster]:
    """Trusts the issuer's tokens for `AUDIENCE`, and the trust domain's certificates."""
    async with WorkloadClient(secure_issuer.agent.address) as client:
        context = await client.fetch_x509_context()
    own = context.bundles[context.default_svid.spiffe_id.trust_domain]
    keys = tuple((await secure_issuer.keys()).values())
    server = KubernetesCluster(
        api_server, secure_issuer.url, AUDIENCE, keys, server_tls(tls, own.pem().decode())
    )
    with serving(server):
        yield server


@pytest.fixture
def kubeconfig(
    cluster: KubernetesCluster, secure_issuer: IssuerUnderTest, tls: PrivateCa, tmp_path: Path
) -> Kubeconfig:
    """Has the command write one, for /web unless another workload is named."""
    program = tmp_path / "spire-bridge"
    command = f"PYTHONPATH={shlex.quote(str(ROOT))} exec {shlex.join(PROGRAM)}"
    program.write_text(f'#!/bin/sh\n{command} "$@"\n')
    program.chmod(0o700)

    async def write(*more: str, path: str = "/web") -> Path:
        file = tmp_path / "kubeconfig"
        options = {
            "--write-kubeconfig": str(file),
            "--server": cluster.url,
            "--certificate-authority": str(tls.ca),
            "--command": str(program),
            "--spiffe-id": secure_issuer.spiffe_id(path),
            "--socket": secure_issuer.agent.address,
        }
        words = (word for option in options.items() for word in option)
        ended = await run("credential", "kubernetes", "--replace", *words, *more)
        assert (ended.status, ended.out) == (0, ""), ended.err
        return file

    return write


def pods(kubeconfig: Path) -> int:
    """How many pods the unmodified client is told of."""
    configuration = kubernetes.client.Configuration()
    kubernetes.config.load_kube_config(str(kubeconfig), client_configuration=configuration)
    with kubernetes.client.ApiClient(configuration) as client:
        listed = kubernetes.client.CoreV1Api(client).list_namespaced_pod("default")
        return len(listed.items)


async def kubectl(kubeconfig: Path, tmp_path: Path) -> Ended:
    program = shutil.which("kubectl") or pytest.skip("kubectl not found on PATH")
    process = await asyncio.create_subprocess_exec(
        *(program, "--kubeconfig", str(kubeconfig), "get", "--raw", PODS),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env=environment(HOME=str(tmp_path), NO_PROXY="127.0.0.1"),
    )
    out, err = await process.communicate()
    assert process.returncode is not None
    return Ended(process.returncode, out.decode(), err.decode())


@pytest.mark.parametrize("path", ["/web", "/other"])
async def test_a_workload_is_who_it_is(
    kubeconfig: Kubeconfig, cluster: KubernetesCluster, secure_issuer: IssuerUnderTest, path: str
) -> None:
    file = await kubeconfig("--audience", AUDIENCE, path=path)
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert await asyncio.to_thread(pods, file) == 0
    assert cluster.seen[-1] == secure_issuer.spiffe_id(path)


async def test_a_token_for_another_audience_is_refused(
    kubeconfig: Kubeconfig, cluster: KubernetesCluster
) -> None:
    for more in (("--audience", "west"), ()):  # the second is for the server's URL
        file = await kubeconfig(*more)
        with pytest.raises(kubernetes.client.ApiException, match="Unauthorized"):
            await asyncio.to_thread(pods, file)
        assert cluster.seen[-1] is None


async def test_an_identity_that_the_agent_does_not_give(
    kubeconfig: Kubeconfig, cluster: KubernetesCluster, caplog: pytest.LogCaptureFixture
) -> None:
    file = await kubeconfig("--audience", AUDIENCE, path="/absent")
    with pytest.raises(kubernetes.client.ApiException, match="Unauthorized"):
        await asyncio.to_thread(pods, file)
    assert "error[PERMISSION_DENIED]" in caplog.text
    assert "eyJ" not in caplog.text


async def test_a_client_certificate(
    kubeconfig: Kubeconfig, cluster: KubernetesCluster, secure_issuer: IssuerUnderTest
) -> None:
    file = await kubeconfig("--x509")
    assert await asyncio.to_thread(pods, file) == 0
    assert cluster.seen[-1] == secure_issuer.spiffe_id("/web")


async def test_without_the_plugins_certificate_the_client_is_a_stranger(
    kubeconfig: Kubeconfig,
) -> None:
    file = await kubeconfig("--x509", path="/absent")
    with pytest.raises(kubernetes.client.ApiException, match="Unauthorized"):
        await asyncio.to_thread(pods, file)


@pytest.mark.parametrize("version", ["v1", "v1beta1"])
async def test_kubectl(
    kubeconfig: Kubeconfig,
    cluster: KubernetesCluster,
    secure_issuer: IssuerUnderTest,
    tmp_path: Path,
    version: str,
) -> None:
    for more in (("--audience", AUDIENCE), ("--x509",)):
        file = await kubeconfig(*more)
        config = yaml.safe_load(file.read_text())
        config["users"][0]["user"]["exec"]["apiVersion"] = f"client.authentication.k8s.io/{version}"
        file.write_text(yaml.safe_dump(config))
        listed = await kubectl(file, tmp_path)
        assert listed.status == 0, listed.err
        assert listed.json()["kind"] == "PodList"
        assert cluster.seen[-1] == secure_issuer.spiffe_id("/web")


async def test_kubectl_is_refused(kubeconfig: Kubeconfig, tmp_path: Path) -> None:
    refused = await kubectl(await kubeconfig("--audience", "west"), tmp_path)
    assert refused.status != 0
    assert "Unauthorized" in refused.err or "must be logged in" in refused.err
    failed = await kubectl(await kubeconfig("--audience", AUDIENCE, path="/absent"), tmp_path)
    assert failed.status != 0
    assert "error[PERMISSION_DENIED]" in failed.err
