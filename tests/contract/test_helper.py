"""The helper over the sandbox and over real SPIRE: its files, and rotations."""

from __future__ import annotations

import json
import signal
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.hazmat.primitives.serialization import load_pem_private_key as load_key
from helper_at_work import Helper, HelperConfig, helping
from secrets_sought import SecretsSought
from trust_domains.under_test import AgentUnderTest, TrustDomainUnderTest

from spire_bridge.spiffe.id import TrustDomain
from spire_bridge.spiffe.jwt_bundle import JwtBundle
from spire_bridge.spiffe.jwt_svid import verify_jwt_svid

pytestmark = pytest.mark.timeout(120)


@pytest.fixture
def out(tmp_path: Path) -> Path:
    folder = tmp_path / "out"
    folder.mkdir()
    return folder


@pytest.fixture
def config(agent: AgentUnderTest, out: Path, tmp_path: Path) -> HelperConfig:
    own = tmp_path / "helper"
    own.mkdir()
    files = {"certificates": {"path": "tls.crt"}, "key": {"path": "tls.key"}}
    tls = str(out / "tls")
    outputs = [
        {"name": "token", "jwt": {"audience": ["sts", "b"]}, "path": str(out / "token")},
        {"name": "keys", "jwt_bundles": {}, "path": str(out / "keys")},
        {
            "name": "pair",
            "x509": {},
            "folder": tls,
            "files": {**files, "bundle": {"path": "ca.crt"}},
        },
    ]
    return HelperConfig(own, agent.address, outputs, {"folders": [{"path": tls}]})


@pytest.fixture
async def helper(config: HelperConfig) -> AsyncIterator[Helper]:
    async with helping(config) as helper:
        yield helper


def own_bundle(out: Path, trust_domain: TrustDomainUnderTest) -> JwtBundle:
    sets = json.loads((out / "keys").read_bytes())
    name = TrustDomain.parse(trust_domain.name)
    return JwtBundle.from_jwk_set(name, json.dumps(sets[trust_domain.name]).encode())


def leaf_of_pair(out: Path) -> x509.Certificate:
    """Fails unless key and bundle are the leaf's."""
    data = out / "tls" / "..data"
    leaf = x509.load_pem_x509_certificate((data / "tls.crt").read_bytes())
    key = load_key((data / "tls.key").read_bytes(), None)
    assert key.public_key() == leaf.public_key()
    authorities = x509.load_pem_x509_certificates((data / "ca.crt").read_bytes())
    assert leaf.issuer in {authority.subject for authority in authorities}
    return leaf


def sought_in(out: Path) -> SecretsSought:
    sought = SecretsSought()
    sought.token((out / "token").read_text())
    key = load_key((out / "tls" / "tls.key").read_bytes(), None)
    sought.key(key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption()))
    return sought


async def test_the_files_and_their_rotation(
    trust_domain: TrustDomainUnderTest, agent: AgentUnderTest, helper: Helper, out: Path
) -> None:
    await helper.until(lambda: len(helper.logged("output was not renewed")) >= 3)
    codes: set[Any] = {e["code"] for e in helper.logged("output was not renewed")}
    assert codes == {"PERMISSION_DENIED"}
    spiffe_id = await agent.register("/helper", jwt_ttl=8, x509_ttl=8)
    await helper.until_logged("all outputs are written")

    bundle = own_bundle(out, trust_domain)
    token = (out / "token").read_text()
    bundles = {bundle.trust_domain: bundle}
    svid = verify_jwt_svid(token, bundles, "sts", time.time())
    assert str(svid.spiffe_id) == spiffe_id
    first = leaf_of_pair(out)
    sought = sought_in(out)

    # Half of 8 s later both are others.
    await helper.until(lambda: (out / "token").read_text() != token, "another token")
    await helper.until(lambda: leaf_of_pair(out) != first, "another pair")
    assert await helper.condition("token") == await helper.condition("pair") == "fresh"

    prepared = await trust_domain.prepare_jwt()
    await helper.until(lambda: prepared in (out / "keys").read_text(), "the prepared key")
    sought.check(*await helper.everything_said())
    sought_in(out).check(helper.said)
    assert await helper.ends(signal.SIGTERM) == 0
    leaf_of_pair(out)


async def test_an_agent_that_goes_and_comes(
    agent: AgentUnderTest, helper: Helper, out: Path
) -> None:
    spiffe_id = await agent.register("/helper", jwt_ttl=60)
    await helper.until_logged("all outputs are written")
    await agent.kill()
    assert (await helper.ask("/readyz")).status == 200  # what is there is good
    await agent.start()
    await agent.deregister(spiffe_id)
    await helper.until_condition("pair", "withdrawn")
    assert (await helper.ask("/readyz")).status == 503
    leaf_of_pair(out)  # the last good one: real SPIRE made another at its start
