"""Agents that answer nonsense, or not at all: what is still valid is served on, and said."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from issuer_at_work import IssuerAtWork, issuing, settings_for, source
from joserfc.jwk import OctKey, RSAKey
from loopback_http import ask

from spire_bridge.config.yaml import InvalidConfig
from spire_bridge.jose.compact import base64url_encode
from spire_bridge.jose.public_key import PublicKey
from spire_bridge.sandbox.cluster import Cluster
from spire_bridge.sandbox.entry import Entry
from spire_bridge.sandbox.faults import Fault
from spire_bridge.sandbox.trust_domain import SandboxTrustDomain
from spire_bridge.sandbox.workload import Workload

PRIVATE = RSAKey.generate_key(2048).as_dict(private=True, kid="private")
GOOD = {
    **PublicKey.from_cryptography(ec.generate_private_key(ec.SECP256R1()).public_key()).to_jwk(),
    "kid": "good",
}
WEAK_NUMBERS = rsa.generate_private_key(65537, 1024).public_key().public_numbers()
WEAK = {
    "kty": "RSA",
    "kid": "weak",
    "n": base64url_encode(WEAK_NUMBERS.n.to_bytes(128)),
    "e": "AQAB",
}
OFF_THE_CURVE = {**GOOD, "kid": "off", "x": GOOD["y"], "y": GOOD["x"]}


def jwks(*keys: dict[str, Any]) -> bytes:
    return json.dumps({"keys": keys}).encode()


REFUSED = {
    "private part": jwks(GOOD, PRIVATE),
    "symmetric key": jwks(GOOD, {"kty": "oct", "k": "c2VjcmV0", "kid": "s"}),
    "same kid twice": jwks(GOOD, GOOD),
    "no kid": jwks(GOOD, {k: v for k, v in GOOD.items() if k != "kid"}),
    "no JSON": b"\xff\xfe",
    "JSON cut short": jwks(GOOD)[:-4],
    "no keys member": b"{}",
    "keys is no list": b'{"keys": {}}',
    "a key is no object": b'{"keys": [1]}',
    "nothing": b"",
}
TAKEN = {
    "unknown kty": (jwks(GOOD, {"kty": "OKP", "crv": "Ed25519", "x": "AA", "kid": "o"}), {"good"}),
    "unknown use": (jwks(GOOD, {**GOOD, "kid": "e", "use": "enc"}), {"good"}),
    "weak RSA": (jwks(GOOD, WEAK), {"good"}),
    "off the curve": (jwks(GOOD, OFF_THE_CURVE), {"good"}),
    "nothing usable": (jwks(WEAK), set()),
    "zero keys": (jwks(), set()),
    "300 keys": (
        jwks(*({**GOOD, "kid": f"key-{number}"} for number in range(300))),
        {f"key-{number}" for number in range(300)},
    ),
}


@pytest.mark.parametrize("answer", REFUSED.values(), ids=REFUSED.keys())
async def test_a_refused_key_set_leaves_what_was_there_and_names_the_source(
    served: IssuerAtWork,
    sandbox: SandboxTrustDomain,
    workload: Workload,
    answer: bytes,
    caplog: pytest.LogCaptureFixture,
) -> None:
    keys = {key.key_id for key in sandbox.jwt.keys}
    workload.jwks = answer
    await served.reports("east", "BUNDLE_INVALID")
    source = await served.source("east")
    assert source["connected"] is True
    assert "example.org" in source["last_error"]["message"]
    assert await served.key_ids() == keys
    said = json.dumps(await served.readyz()) + caplog.text
    assert PRIVATE["d"] not in said
    assert "c2VjcmV0" not in said
    [record] = [r for r in caplog.records if r.levelname == "WARNING" and "source" in vars(r)]
    assert (vars(record)["source"], vars(record)["code"]) == ("east", "BUNDLE_INVALID")
    workload.jwks = None
    await served.reports("east", None)
    assert await served.key_ids() == keys


@pytest.mark.parametrize("answer", REFUSED.values(), ids=REFUSED.keys())
async def test_a_refused_first_key_set_is_no_empty_one(workload: Workload, answer: bytes) -> None:
    workload.jwks = answer
    async with issuing(settings_for(workload)) as at_work:
        await at_work.reports("east", "BUNDLE_INVALID")
        assert await at_work.key_ids() == 503
        status, verdict = await at_work.readyz()
        assert status == 503
        assert verdict["reasons"][1].endswith("[BUNDLE_INVALID]")


@pytest.mark.parametrize(("answer", "keys"), TAKEN.values(), ids=TAKEN.keys())
async def test_what_is_usable_of_a_key_set_is_served(
    served: IssuerAtWork, workload: Workload, answer: bytes, keys: set[str]
) -> None:
    workload.jwks = answer
    await served.serves(keys)
    assert await served.error_of("east") is None


async def test_a_key_that_is_left_out_is_a_warning(
    served: IssuerAtWork, workload: Workload, caplog: pytest.LogCaptureFixture
) -> None:
    workload.jwks = jwks(GOOD, WEAK, OFF_THE_CURVE)
    await served.serves({"good"})
    assert [
        (vars(r)["source"], vars(r)["key_id"], vars(r)["reason"])
        for r in caplog.records
        if r.getMessage() == "key was left out"
    ] == [
        ("east", "'weak'", "RSA key of 1024 bits; at least 2048 are needed"),
        ("east", "'off'", "point is not on the curve"),
    ]


@pytest.mark.parametrize(
    ("fault", "code"),
    [
        (Fault.UNAVAILABLE, "UNAVAILABLE"),
        (Fault.PERMISSION_DENIED, "PERMISSION_DENIED"),
        (Fault.INVALID_ARGUMENT, "INVALID_ARGUMENT"),
        (Fault.UNIMPLEMENTED, "UNIMPLEMENTED"),
        (Fault.GARBAGE, "UNEXPECTED_ANSWER"),
        (Fault.MALFORMED, "BUNDLE_INVALID"),
    ],
)
async def test_an_agent_at_fault_takes_nothing_away(
    served: IssuerAtWork,
    sandbox: SandboxTrustDomain,
    workload: Workload,
    fault: Fault,
    code: str,
) -> None:
    keys = {key.key_id for key in sandbox.jwt.keys}
    workload.fault = fault
    await served.reports("east", code)
    assert await served.key_ids() == keys
    assert (await served.readyz())[0] == 200


@pytest.mark.parametrize(
    ("fault", "code"),
    [
        (Fault.HANG, "DEADLINE_EXCEEDED"),
        (Fault.GARBAGE, "UNEXPECTED_ANSWER"),
        (Fault.UNIMPLEMENTED, "UNIMPLEMENTED"),
    ],
)
async def test_an_agent_at_fault_from_the_start_is_named(
    workload: Workload, fault: Fault, code: str
) -> None:
    workload.fault = fault
    async with issuing(settings_for(workload)) as at_work:
        await at_work.reports("east", code)
        assert await at_work.key_ids() == 503
        status, verdict = await at_work.readyz()
        assert status == 503
        assert verdict["reasons"][1].startswith("source east: ")
        assert verdict["reasons"][1].endswith(f"[{code}]")


async def test_an_agent_that_ends_its_streams_is_asked_again(
    served: IssuerAtWork, sandbox: SandboxTrustDomain, workload: Workload
) -> None:
    workload.fault = Fault.END_STREAM
    await served.reports("east", "STREAM_ENDED")
    new = sandbox.jwt.prepare()
    await served.serves({key.key_id for key in sandbox.jwt.keys} | {new})


@pytest.fixture
async def stranger() -> AsyncIterator[SandboxTrustDomain]:
    """Another trust domain."""
    async with SandboxTrustDomain("other.org") as other:
        yield other


async def agent_of(stranger: SandboxTrustDomain) -> Workload:
    cluster = await stranger.start_cluster("away")
    return await cluster.add_workload("web", Entry("spiffe://other.org/web"))


async def test_a_start_with_sources_of_two_trust_domains_is_refused(
    workload: Workload, stranger: SandboxTrustDomain
) -> None:
    server = {"address": await stranger.start_server_api()}
    for source_of_another in (
        source(await agent_of(stranger)),
        {"name": "away", "server_api": server},
    ):
        settings = settings_for(sources=[source(workload), source_of_another])
        with pytest.raises(InvalidConfig, match=r"source away: .*example\.org") as refused:
            async with issuing(settings):
                pass
        assert "never served by one issuer" in (refused.value.hint or "")


async def test_a_source_that_comes_late_and_is_of_another_trust_domain_is_in_error(
    sandbox: SandboxTrustDomain, workload: Workload, stranger: SandboxTrustDomain
) -> None:
    late = await agent_of(stranger)
    await stranger.clusters["away"].stop()
    async with issuing(settings_for(workload, late)) as at_work:
        await stranger.clusters["away"].start()
        await at_work.reports("away", "TRUST_DOMAIN_MISMATCH")
        await at_work.serves({key.key_id for key in sandbox.jwt.keys})


async def test_one_bad_agent_does_not_spoil_the_other(
    sandbox: SandboxTrustDomain, cluster: Cluster, workload: Workload
) -> None:
    west = await sandbox.start_cluster("west")
    bad = await west.add_workload("web", Entry("spiffe://example.org/web"))
    bad.jwks = REFUSED["private part"]
    async with issuing(settings_for(bad, workload)) as at_work:
        keys = {key.key_id for key in sandbox.jwt.keys}
        await at_work.serves(keys)
        await at_work.reports("west", "BUNDLE_INVALID")
        assert await at_work.error_of("east") is None
        bad.jwks = None
        await at_work.reports("west", None)
        bad.jwks = jwks({**GOOD, "kid": next(iter(keys))})
        await at_work.reports("west", "BUNDLE_INVALID")
        message = (await at_work.source("west"))["last_error"]["message"]
        assert "is another key here than at source 'east'" in message
        assert await at_work.key_ids() == keys


async def test_nothing_private_is_ever_served(workload: Workload) -> None:
    secret = OctKey.generate_key(256).as_dict(private=True, kid="oct")
    async with issuing(settings_for(workload)) as at_work:
        for answer in (jwks(PRIVATE), jwks(secret), jwks({**GOOD, "d": "AA"})):
            workload.jwks = answer
            await at_work.reports("east", "BUNDLE_INVALID")
            for address in (at_work.addresses.issuer, at_work.addresses.health):
                for path in ("/keys", "/readyz", "/metrics"):
                    body = (await ask(address, path)).body.decode()
                    assert PRIVATE["d"] not in body
                    assert secret["k"] not in body
