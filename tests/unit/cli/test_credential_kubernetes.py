"""`credential kubernetes` as clients of Kubernetes run it."""

from __future__ import annotations

import asyncio
import json
import stat
from pathlib import Path
from typing import Any

import jwt as pyjwt
import pytest
import yaml
from command_line import SLOW_TO_LOAD, loaded

from spire_bridge.sandbox.entry import Entry
from spire_bridge.sandbox.workload import Workload

SERVER = "https://kubernetes.example:6443"
INTERNAL = Entry("spiffe://example.org/internal", hint="internal")


def claims(token: str) -> dict[str, Any]:
    content: dict[str, Any] = pyjwt.decode(token, options={"verify_signature": False})
    return content


def exec_info(version: str = "v1", config: Any = None) -> str:
    spec = {"interactive": False, "cluster": {"server": SERVER, "config": config}}
    api_version = f"client.authentication.k8s.io/{version}"
    return json.dumps({"kind": "ExecCredential", "apiVersion": api_version, "spec": spec})


class TestKubernetes:
    @pytest.mark.parametrize("version", ["v1", "v1beta1"])
    async def test_a_token_for_the_clusters_audience(self, cli: Any, version: str) -> None:
        told = exec_info(version, {"audience": "east"})
        ended = await cli("credential", "kubernetes", KUBERNETES_EXEC_INFO=told)
        assert (ended.status, ended.err) == (0, "")
        assert ended.json()["apiVersion"] == f"client.authentication.k8s.io/{version}"
        assert claims(ended.json()["status"]["token"])["aud"] == ["east"]

    async def test_without_one_it_is_for_the_server(self, cli: Any) -> None:
        ended = await cli("credential", "kubernetes", KUBERNETES_EXEC_INFO=exec_info())
        assert claims(ended.json()["status"]["token"])["aud"] == [SERVER]

    async def test_nobody_says_whom_it_is_for(self, cli: Any) -> None:
        ended = await cli("credential", "kubernetes", KUBERNETES_EXEC_INFO="")
        assert (ended.status, ended.error) == (2, "EXEC_INFO_INVALID")

    async def test_a_version_of_another_time(self, cli: Any) -> None:
        ended = await cli("credential", "kubernetes", KUBERNETES_EXEC_INFO=exec_info("v1alpha1"))
        assert (ended.status, ended.error) == (2, "EXEC_INFO_INVALID")
        assert "client.authentication.k8s.io/v1\n" in ended.err

    async def test_a_token_comes_without_what_is_slow_to_load(self, workload: Workload) -> None:
        told = {"KUBERNETES_EXEC_INFO": exec_info(), "SPIFFE_ENDPOINT_SOCKET": workload.address}
        modules = await asyncio.to_thread(loaded, "credential", "kubernetes", **told)
        assert "spire_bridge.workload.quick_fetch" in modules
        assert modules.isdisjoint(SLOW_TO_LOAD)

    async def test_a_certificate_of_one_identity(self, cli: Any, workload: Workload) -> None:
        workload.register(INTERNAL)
        ended = await cli("credential", "kubernetes", "--x509", "--hint", "internal")
        assert ended.status == 0, ended.err
        assert set(ended.json()["status"]) == {
            "clientCertificateData",
            "clientKeyData",
            "expirationTimestamp",
        }
        ended = await cli("credential", "kubernetes", "--x509", "--hint", "external")
        assert (ended.status, ended.error) == (3, "HINT_NOT_FOUND")
        absent = ("--spiffe-id", "spiffe://example.org/absent")
        ended = await cli("credential", "kubernetes", "--x509", *absent)
        assert (ended.status, ended.error) == (3, "IDENTITY_NOT_ISSUED")

    async def test_a_kubeconfig_is_written_once(self, cli: Any, tmp_path: Path) -> None:
        file = tmp_path / "kubeconfig"
        command = ("credential", "kubernetes", "--write-kubeconfig", str(file), "--server", SERVER)
        ended = await cli(*command, "--audience", "east", "--hint", "internal")
        assert (ended.status, ended.out) == (0, "")
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
        plugin = yaml.safe_load(file.read_text())["users"][0]["user"]["exec"]
        assert plugin["args"] == ["credential", "kubernetes", "--hint", "internal"]
        ended = await cli(*command)
        assert (ended.status, ended.error) == (2, "KUBECONFIG_INVALID")
        assert "east" in file.read_text()
        assert (await cli(*command, "--replace")).status == 0
        assert "east" not in file.read_text()

    async def test_a_kubeconfig_of_no_server(self, cli: Any, tmp_path: Path) -> None:
        file = tmp_path / "kubeconfig"
        ended = await cli("credential", "kubernetes", "--write-kubeconfig", str(file))
        assert (ended.status, ended.error) == (2, "KUBECONFIG_INVALID")
        assert not file.exists()
