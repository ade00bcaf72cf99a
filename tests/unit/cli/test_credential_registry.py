"""`credential kubelet` and `credential docker` as the kubelet and Docker run them."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import jwt as pyjwt
import pytest
from command_line import SLOW_TO_LOAD, loaded

from spire_bridge.sandbox.workload import Workload


def claims(token: str) -> dict[str, Any]:
    content: dict[str, Any] = pyjwt.decode(token, options={"verify_signature": False})
    return content


def provider_request(image: str) -> bytes:
    api_version = "credentialprovider.kubelet.k8s.io/v1"
    request = {"kind": "CredentialProviderRequest", "apiVersion": api_version, "image": image}
    return json.dumps(request).encode()


class TestKubelet:
    async def test_a_password_for_the_images_registry(self, cli: Any) -> None:
        given = provider_request("registry.example/team/web:1")
        ended = await cli("credential", "kubelet", "--username", "oidc", given=given)
        assert (ended.status, ended.err) == (0, "")
        [(registry, login)] = ended.json()["auth"].items()
        assert registry == "registry.example"
        assert claims(login["password"])["aud"] == ["registry.example"]

    async def test_what_the_operator_says(self, cli: Any) -> None:
        options = ("--username", "oidc", "--audience", "images", "--match", "*.registry.example")
        given = provider_request("eu.registry.example/web")
        ended = await cli("credential", "kubelet", *options, given=given)
        [(glob, login)] = ended.json()["auth"].items()
        assert glob == "*.registry.example"
        assert claims(login["password"])["aud"] == ["images"]

    @pytest.mark.parametrize("given", [b"", b"{}", provider_request("a b.c/x")])
    async def test_what_is_no_request(self, cli: Any, given: bytes) -> None:
        ended = await cli("credential", "kubelet", "--username", "oidc", given=given)
        assert ended.status == 2
        assert ended.error in {"PROVIDER_REQUEST_INVALID", "OUTPUT_INVALID"}


class TestDocker:
    COMMAND = ("credential", "docker", "--username", "oidc")

    async def test_a_secret_for_the_registry(self, cli: Any) -> None:
        ended = await cli(*self.COMMAND, "get", given=b"https://registry.example/v2/\n")
        assert (ended.status, ended.err) == (0, "")
        assert ended.json()["ServerURL"] == "https://registry.example/v2/"
        assert ended.json()["Username"] == "oidc"
        assert claims(ended.json()["Secret"])["aud"] == ["registry.example"]

    async def test_what_it_does_not_know_is_said_on_standard_output(
        self, cli: Any, workload: Workload
    ) -> None:
        only = (*self.COMMAND, "--registry", "registry.example", "get")
        ended = await cli(*only, given=b"https://index.docker.io/v1/")
        assert (ended.status, ended.err) == (1, "")
        assert ended.out == "credentials not found in native keychain\n"
        workload.deregister("spiffe://example.org/workload")
        ended = await cli(*only, given=b"registry.example")
        assert (ended.status, ended.err) == (1, "")
        assert "issued no such identity" in ended.out

    async def test_it_holds_nothing(self, cli: Any) -> None:
        login = b'{"ServerURL": "registry.example", "Username": "u", "Secret": "hidden"}'
        ended = await cli(*self.COMMAND, "store", given=login)
        assert ended.status == 1
        assert "hidden" not in ended.out + ended.err
        ended = await cli(*self.COMMAND, "erase", given=b"registry.example")
        assert (ended.status, ended.out, ended.err) == (0, "", "")
        assert (await cli(*self.COMMAND, "list")).json() == {}


@pytest.mark.parametrize(
    ("words", "given"),
    [
        (("kubelet",), provider_request("registry.example/web")),
        (("docker", "get"), b"https://registry.example\n"),
    ],
)
async def test_a_password_comes_without_what_is_slow_to_load(
    workload: Workload, words: tuple[str, ...], given: bytes
) -> None:
    command, where = ("credential", *words, "--username", "oidc"), workload.address
    modules = await asyncio.to_thread(
        lambda: loaded(*command, given=given, SPIFFE_ENDPOINT_SOCKET=where)
    )
    assert "spire_bridge.workload.quick_fetch" in modules
    assert modules.isdisjoint(SLOW_TO_LOAD)
