"""What OpenBao's JWT auth method opens, how a role binds a workload, and which claims it wants."""

from __future__ import annotations

import asyncio
import itertools
import time
from typing import Any

import pytest
import pytest_asyncio
from verifiers.http_json import HttpRefusal
from verifiers.issuers import AUDIENCE, NAME, IssuerUnderTest, sandbox_issuer
from verifiers.openbao import JwtAuthMethod, OpenBao

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(120)]

SECRET = {"password": "correct horse battery staple"}
POLICY = 'path "secret/data/web" { capabilities = ["read"] }'

_serial = itertools.count(1)


@pytest.fixture(scope="module")
def bao(openbao: OpenBao) -> OpenBao:
    openbao.write("secret/data/web", {"data": SECRET})
    openbao.write("sys/policies/acl/web", {"policy": POLICY})
    return openbao


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
    @pytest.mark.parametrize("role", ["subject", "claims", "glob"])
    async def test_a_token_from_the_agent_opens_the_secret(
        self, bao: OpenBao, issuer: IssuerUnderTest, trusting: JwtAuthMethod, role: str
    ) -> None:
        logged_in = await login(trusting, await issuer.token(AUDIENCE), role)
        token = logged_in["client_token"]
        secret = await asyncio.to_thread(bao.read, "secret/data/web", token=token)
        assert secret["data"] == SECRET
        with pytest.raises(HttpRefusal, match="403"):
            await asyncio.to_thread(bao.read, "secret/data/db", token=token)

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


class TestOverTheSandbox:
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
