"""The Workload API on the wire, where a client of ours would already say no."""

from __future__ import annotations

import json
from typing import Any

import grpc
import grpc.aio
import pytest
from trust_domains.plain_client import SECURITY_HEADER, plain_stub
from trust_domains.under_test import AgentUnderTest, TrustDomainUnderTest

from spire_bridge._proto import workload_pb2 as pb

pytestmark = pytest.mark.timeout(120)

UNARY = {
    "FetchJWTSVID": pb.JWTSVIDRequest(audience=["db"]),
    "ValidateJWTSVID": pb.ValidateJWTSVIDRequest(svid="x.y.z", audience="db"),
}
STREAMING = {
    "FetchX509SVID": pb.X509SVIDRequest(),
    "FetchX509Bundles": pb.X509BundlesRequest(),
    "FetchJWTBundles": pb.JWTBundlesRequest(),
}
INCUBATING = {
    "FetchWITSVID": pb.WITSVIDRequest(),
    "FetchWITBundles": pb.WITBundlesRequest(),
}


@pytest.mark.parametrize("method", [*UNARY, *STREAMING])
async def test_a_request_without_the_security_header_is_refused(
    agent: AgentUnderTest, method: str
) -> None:
    for metadata in ((), *((("workload.spiffe.io", value),) for value in ("", "false", "TRUE"))):
        status, _ = await call(agent, method, {**UNARY, **STREAMING}[method], metadata)
        assert status is grpc.StatusCode.INVALID_ARGUMENT


@pytest.mark.parametrize("method", list(INCUBATING))
async def test_wit_svids_are_not_offered(agent: AgentUnderTest, method: str) -> None:
    status, _ = await call(agent, method, INCUBATING[method])
    assert status is grpc.StatusCode.UNIMPLEMENTED


@pytest.mark.parametrize(
    ("method", "request_"),
    [
        ("FetchJWTSVID", pb.JWTSVIDRequest()),
        ("FetchJWTSVID", pb.JWTSVIDRequest(audience=["db"], spiffe_id="web")),
        ("FetchJWTSVID", pb.JWTSVIDRequest(audience=["db"], spiffe_id="spiffe://Upper.test/web")),
        ("ValidateJWTSVID", pb.ValidateJWTSVIDRequest(svid="x.y.z")),
        ("ValidateJWTSVID", pb.ValidateJWTSVIDRequest(audience="db")),
    ],
    ids=["no audience", "no SPIFFE ID", "upper case", "no audience to validate for", "no token"],
)
async def test_a_wrong_request_is_refused_before_anybody_is_looked_up(
    agent: AgentUnderTest, method: str, request_: Any
) -> None:
    status, _ = await call(agent, method, request_)
    assert status is grpc.StatusCode.INVALID_ARGUMENT


async def test_the_jwk_set_has_neither_use_nor_alg_nor_sequence(
    trust_domain: TrustDomainUnderTest, agent: AgentUnderTest
) -> None:
    await agent.register("/web")
    _, response = await call(agent, "FetchJWTBundles", pb.JWTBundlesRequest())
    assert list(response.bundles) == [f"spiffe://{trust_domain.name}"]
    document = json.loads(response.bundles[f"spiffe://{trust_domain.name}"])
    assert set(document) == {"keys"}
    assert document["keys"]
    for key in document["keys"]:
        assert set(key) == {"kty", "kid", "n", "e"}


async def call(
    agent: AgentUnderTest, method: str, request: Any, metadata: Any = SECURITY_HEADER
) -> tuple[grpc.StatusCode, Any]:
    """The status of a call, and its first message if there is one."""
    async with plain_stub(agent.address) as stub:
        answer = getattr(stub, method)(request, metadata=metadata, timeout=10)
        try:
            response = await (answer if method in UNARY else answer.read())
        except grpc.aio.AioRpcError as error:
            return error.code(), None
        finally:
            answer.cancel()
        return grpc.StatusCode.OK, response
