"""What the agent says of tokens that a workload shows it."""

from __future__ import annotations

import base64
import json
import time
from collections.abc import Mapping

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from trust_domains.under_test import AgentUnderTest

from spire_bridge.transport.rpc_errors import InvalidArgument
from spire_bridge.workload.client import WorkloadClient

pytestmark = pytest.mark.timeout(120)


async def test_a_good_token_is_validated_with_its_claims(
    agent: AgentUnderTest, client: WorkloadClient
) -> None:
    await agent.register("/web")
    (svid,) = await client.fetch_jwt_svids(["db", "cache"])
    for audience in ("db", "cache"):
        validated = await client.validate_jwt_svid(svid.token, audience)
        assert validated.spiffe_id == svid.spiffe_id
        assert validated.claims == dict(svid.claims)


async def test_a_single_audience_is_still_a_list_among_the_claims(
    agent: AgentUnderTest, client: WorkloadClient
) -> None:
    await agent.register("/web")
    (svid,) = await client.fetch_jwt_svids(["db"])
    validated = await client.validate_jwt_svid(svid.token, "db")
    assert validated.claims["aud"] == ["db"]


async def test_a_workload_without_an_entry_may_validate(
    agent: AgentUnderTest, client: WorkloadClient
) -> None:
    spiffe_id = await agent.register("/web")
    (svid,) = await client.fetch_jwt_svids(["db"])
    await agent.deregister(spiffe_id)
    validated = await client.validate_jwt_svid(svid.token, "db")
    assert validated.spiffe_id == svid.spiffe_id


async def test_a_token_for_another_audience_is_refused(
    agent: AgentUnderTest, client: WorkloadClient
) -> None:
    await agent.register("/web")
    (svid,) = await client.fetch_jwt_svids(["db"])
    for audience in ("cache", "DB", "db "):
        with pytest.raises(InvalidArgument):
            await client.validate_jwt_svid(svid.token, audience)


async def test_a_tampered_token_is_refused(agent: AgentUnderTest, client: WorkloadClient) -> None:
    await agent.register("/web")
    (svid,) = await client.fetch_jwt_svids(["db"])
    header, payload, signature = svid.token.split(".")
    longer = {**svid.claims, "exp": svid.expires_at + 3600}
    unsigned = {"alg": "none", "kid": svid.key_id, "typ": "JWT"}
    flipped = ("A" if signature[0] != "A" else "B") + signature[1:]
    for forged in (
        f"{header}.{payload}.{flipped}",
        f"{header}.{encoded(longer)}.{signature}",
        f"{encoded(unsigned)}.{payload}.",
        f"{header}.{payload}.",
        f"{header}.{payload}",
        "not a token",
    ):
        with pytest.raises(InvalidArgument):
            await client.validate_jwt_svid(forged, "db")


async def test_a_token_that_a_foreign_key_signed_is_refused(
    agent: AgentUnderTest, client: WorkloadClient
) -> None:
    spiffe_id = await agent.register("/web")
    (svid,) = await client.fetch_jwt_svids(["db"])
    now = int(time.time())
    for subject in (spiffe_id, "spiffe://elsewhere.test/web"):
        claims = {"sub": subject, "aud": ["db"], "iat": now, "exp": now + 300}
        for key_id in (svid.key_id, "unheard-of"):
            forged = signed_by_a_foreign_key({"alg": "RS256", "kid": key_id, "typ": "JWT"}, claims)
            with pytest.raises(InvalidArgument):
                await client.validate_jwt_svid(forged, "db")


def signed_by_a_foreign_key(header: Mapping[str, object], claims: Mapping[str, object]) -> str:
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    signed = f"{encoded(header)}.{encoded(claims)}"
    signature = key.sign(signed.encode(), padding.PKCS1v15(), hashes.SHA256())
    return f"{signed}.{base64url(signature)}"


def encoded(part: Mapping[str, object]) -> str:
    return base64url(json.dumps(part).encode())


def base64url(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()
