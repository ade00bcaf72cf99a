"""X.509-SVIDs of both trust domains, shown to the model of IAM Roles Anywhere."""

from __future__ import annotations

import time
from collections.abc import Iterable
from urllib.parse import urlsplit

import pytest
from cryptography import x509
from trust_domains.under_test import AgentUnderTest

from spire_bridge.cloud.issuer_documents import IssuerDocuments
from spire_bridge.credentials.aws.create_session import SessionRequest, create_session
from spire_bridge.credentials.aws.errors import AccessDenied
from spire_bridge.listen.http import Request
from spire_bridge.models.issuer_cache import IssuerCache
from spire_bridge.models.roles_anywhere import RolesAnywhere
from spire_bridge.models.surroundings import Surroundings
from spire_bridge.sandbox.x509_authority import X509Authority
from spire_bridge.service.dev.cloud_accounts import (
    ANCHOR_ARN,
    PROFILE_ARN,
    REGION,
    ROLE_ARN,
    Descriptions,
)
from spire_bridge.transport.outgoing import HttpAnswer, HttpRequest
from spire_bridge.workload.client import WorkloadClient

ENDPOINT = "https://rolesanywhere.test"
WANTED = SessionRequest(ENDPOINT, REGION, ANCHOR_ARN, PROFILE_ARN, ROLE_ARN)


class Model:
    """Roles Anywhere with these anchors; no server between."""

    def __init__(self, anchors: Iterable[x509.Certificate]) -> None:
        trust = Descriptions.of("https://issuer.test", "spiffe://contract.test/web", anchors)
        around = Surroundings(IssuerCache(lambda _: IssuerDocuments()))
        self._model = RolesAnywhere(trust.trust().roles_anywhere, around)

    def send(self, sent: HttpRequest) -> HttpAnswer:
        parts = urlsplit(sent.url)
        target = f"{parts.path}?{parts.query}"
        answer = self._model(Request(sent.method, parts.path, sent.headers, target, body=sent.body))
        return HttpAnswer(answer.status, dict(answer.headers), answer.body)


async def test_an_svid_gets_a_session_where_its_bundle_is_the_anchor(
    agent: AgentUnderTest, client: WorkloadClient
) -> None:
    await agent.register("/web")
    context = await client.fetch_x509_context()
    svid = context.default_svid
    bundle = context.bundles[svid.spiffe_id.trust_domain]
    now = time.time()
    credentials = create_session(WANTED, svid, Model(bundle.authorities).send, now)
    assert credentials.expires_at == pytest.approx(now + 3600, abs=5)

    stranger = X509Authority(time.time, trust_domain_id="spiffe://contract.test")
    with pytest.raises(AccessDenied, match="Untrusted signing certificate"):
        create_session(WANTED, svid, Model([stranger.keys[0].root]).send, now)
