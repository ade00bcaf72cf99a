"""An X.509-SVID's files, and the JWT bundles', as programs read them."""

from __future__ import annotations

import json
import time
from collections.abc import AsyncIterator

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from spire_bridge.credentials.jwt_bundles import jwt_bundles_json
from spire_bridge.credentials.pem import PemFiles, PemOptions, pem_files
from spire_bridge.sandbox.entry import Entry
from spire_bridge.sandbox.trust_domain import SandboxTrustDomain
from spire_bridge.spiffe.id import TrustDomain
from spire_bridge.spiffe.x509_bundle import InvalidBundle
from spire_bridge.transport.rpc_errors import UnexpectedAnswer
from spire_bridge.workload.client import WorkloadClient
from spire_bridge.workload.messages import BundleSet, X509Context

NOW = time.time()
YEARS = 50 * 365 * 86400.0


@pytest.fixture
async def client() -> AsyncIterator[WorkloadClient]:
    """Of a workload with an intermediate above it, that federates with another trust domain."""
    async with (
        SandboxTrustDomain("example.org", x509_intermediate=True) as own,
        SandboxTrustDomain("partner.example") as partner,
    ):
        own.federate(partner)
        entry = Entry("spiffe://example.org/w", federates_with=("partner.example",))
        workload = await (await own.start_cluster("east")).add_workload("w", entry)
        async with WorkloadClient(workload.address) as client:
            yield client


@pytest.fixture
async def context(client: WorkloadClient) -> X509Context:
    return await client.fetch_x509_context()


def rendered(context: X509Context, now: float = NOW, **options: bool) -> PemFiles:
    return pem_files(context.default_svid, context, PemOptions(**options), now=now)


def certificates(pem: bytes) -> list[x509.Certificate]:
    return x509.load_pem_x509_certificates(pem)


def test_the_files(context: X509Context) -> None:
    files = rendered(context)
    leaf, intermediate = certificates(files.certificates)
    assert (leaf, intermediate) == context.default_svid.certificates
    key = load_pem_private_key(files.key, None)
    assert key.public_key() == leaf.public_key()
    assert files.key.startswith(b"-----BEGIN PRIVATE KEY-----\n")
    own = context.bundles[TrustDomain.parse("example.org")].authorities
    assert certificates(files.bundle) == list(own)
    intermediate.verify_directly_issued_by(own[0])
    assert repr(files.key) not in repr(files)


def test_intermediates_in_the_bundle(context: X509Context) -> None:
    files = rendered(context, intermediates_in_bundle=True)
    leaf, intermediate = context.default_svid.certificates
    assert certificates(files.certificates) == [leaf]
    assert certificates(files.bundle)[1:] == [intermediate]


def test_federated_authorities(context: X509Context) -> None:
    partner = context.bundles[TrustDomain.parse("partner.example")].authorities
    assert certificates(rendered(context, federated=True).bundle)[1:] == list(partner)


def test_expired_ones_are_left_out_where_that_is_wanted(context: X509Context) -> None:
    files = rendered(context, NOW + YEARS, omit_expired=True)
    assert files.certificates == files.bundle == b""
    assert rendered(context, NOW + YEARS) == rendered(context)
    assert rendered(context, omit_expired=True) == rendered(context)


def test_a_bundle_that_was_refused(context: X509Context) -> None:
    """The first message may hold a bundle that is none: that is an error, and no defect."""
    own = TrustDomain.parse("example.org")
    for bundles, kind in (
        (BundleSet({}, {own: InvalidBundle("broken")}), InvalidBundle),
        (BundleSet({}), UnexpectedAnswer),
    ):
        with pytest.raises(kind):
            rendered(X509Context(context.svids, bundles))


async def test_jwt_bundles(client: WorkloadClient) -> None:
    bundles = await client.fetch_jwt_bundles()
    sets = json.loads(jwt_bundles_json(bundles))
    assert list(sets) == ["example.org", "partner.example"]
    for name, jwks in sets.items():
        known = bundles[TrustDomain.parse(name)].authorities
        assert {key["kid"] for key in jwks["keys"]} == set(known)
        assert {key["alg"] for key in jwks["keys"]} == {"RS256"}
        assert all("d" not in key for key in jwks["keys"])
