"""PyJWT as a relying party: it finds the keys through discovery and judges our tokens."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import jwt as pyjwt
import pytest
from verifiers import forgeries
from verifiers.issuers import AUDIENCE, IssuerUnderTest, key_id, sandbox_issuer
from verifiers.pyjwt import RelyingParty

from spire_bridge.sandbox.jwt_authority import KeyType

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(120)]

REASONS: dict[forgeries.Forgery, type[Exception]] = {
    forgeries.unsecured: pyjwt.InvalidAlgorithmError,
    forgeries.public_key_as_secret: pyjwt.InvalidAlgorithmError,
    forgeries.unknown_key: pyjwt.PyJWKClientError,
}
FORGERIES = [
    (forgery, REASONS.get(forgery, pyjwt.InvalidSignatureError)) for forgery in forgeries.ALL
]


async def verify(issuer: str, token: str, audience: str = AUDIENCE) -> dict[str, Any]:
    """What a relying party that has just started thinks of the token."""
    return await asyncio.to_thread(lambda: RelyingParty(issuer, audience).verify(token))


class TestOverEitherTrustDomain:
    async def test_a_token_from_the_agent_is_accepted(self, issuer: IssuerUnderTest) -> None:
        claims = await verify(issuer.url, await issuer.token(AUDIENCE))
        assert claims["sub"] == issuer.spiffe_id("/web")
        assert claims["iss"] == issuer.url

    async def test_a_token_for_several_audiences_is_accepted_by_each(
        self, issuer: IssuerUnderTest
    ) -> None:
        token = await issuer.token(AUDIENCE, "another")
        for audience in (AUDIENCE, "another"):
            assert await verify(issuer.url, token, audience)

    async def test_a_relying_party_of_another_issuer_refuses(self, issuer: IssuerUnderTest) -> None:
        token = await issuer.token(AUDIENCE)
        party = await asyncio.to_thread(RelyingParty, issuer.url)
        with pytest.raises(pyjwt.InvalidIssuerError):
            await asyncio.to_thread(party.verify, token, issuer=issuer.url + "/")

    async def test_a_rotation_is_followed(self, issuer: IssuerUnderTest) -> None:
        before = await issuer.token(AUDIENCE)
        party = await asyncio.to_thread(RelyingParty, issuer.url)
        await asyncio.to_thread(party.verify, before)
        prepared = await issuer.trust_domain.prepare_jwt()
        await issuer.until(lambda keys: prepared in keys)
        former = await issuer.trust_domain.activate_jwt(prepared)
        assert former == key_id(before)

        after = await issuer.token(AUDIENCE, "after the rotation")
        assert key_id(after) == prepared
        for token in (before, after):
            await asyncio.to_thread(party.verify, token)  # asks again for the key it lacks
            await verify(issuer.url, token)

        await issuer.trust_domain.taint_jwt(former)
        await issuer.trust_domain.revoke_jwt(former)
        await issuer.until(lambda keys: former not in keys)
        await verify(issuer.url, after)
        with pytest.raises(pyjwt.PyJWKClientError):
            await verify(issuer.url, before)


@pytest.mark.parametrize("key_type", [KeyType.RSA_4096, KeyType.EC_P256, KeyType.EC_P384])
class TestEveryKeyType:
    async def test_only_the_issuers_own_tokens_are_accepted(self, key_type: KeyType) -> None:
        async with sandbox_issuer(key_type) as issuer:
            assert pyjwt.get_unverified_header(issuer.token())["alg"] == key_type.alg
            assert await verify(issuer.url, issuer.token(**forgeries.ONE_CLAIM_MORE))
            for forgery, error in FORGERIES:
                forged = await issuer.forge(forgery, issuer.token())
                with pytest.raises(error):
                    await verify(issuer.url, forged)


class TestClaims:
    @pytest.mark.parametrize("path", ["/", "/spiffe", "/spiffe/"])
    async def test_an_issuer_may_have_a_path(self, path: str) -> None:
        async with sandbox_issuer(path=path) as issuer:
            assert (await verify(issuer.url, issuer.token()))["iss"].endswith(path)

    async def test_an_hour_too_late_or_a_minute_too_early_is_refused(self) -> None:
        now = int(time.time())
        async with sandbox_issuer() as issuer:
            refused: list[tuple[dict[str, Any], type[Exception]]] = [
                ({"iat": now - 3900, "exp": now - 3600}, pyjwt.ExpiredSignatureError),
                ({"iat": now + 60}, pyjwt.ImmatureSignatureError),
                ({"nbf": now + 60}, pyjwt.ImmatureSignatureError),
                ({"exp": None}, pyjwt.MissingRequiredClaimError),
                ({"iss": issuer.url + "/"}, pyjwt.InvalidIssuerError),
                ({"iss": None}, pyjwt.MissingRequiredClaimError),
                ({"aud": []}, pyjwt.MissingRequiredClaimError),
            ]
            for changes, error in refused:
                with pytest.raises(error):
                    await verify(issuer.url, issuer.token(**changes))

    async def test_nothing_is_accepted_once_every_key_is_revoked(self) -> None:
        async with sandbox_issuer() as issuer:
            token = issuer.token()
            assert await verify(issuer.url, token)
            issuer.sandbox.jwt.revoke(key_id(token))
            await issuer.until(lambda keys: not keys)
            with pytest.raises(pyjwt.PyJWTError, match="did not contain any"):
                await verify(issuer.url, token)
