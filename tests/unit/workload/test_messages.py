"""Whatever an agent puts into a message, it becomes a value or a `BridgeError`."""

from __future__ import annotations

import time
from dataclasses import FrozenInstanceError, replace
from functools import cache
from types import MappingProxyType
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spire_bridge._proto import workload_pb2 as pb
from spire_bridge.errors import BridgeError
from spire_bridge.sandbox.jwt_authority import JwtAuthority, KeyType
from spire_bridge.sandbox.x509_authority import X509Authority, certificate_der
from spire_bridge.spiffe.errors import InvalidBundle
from spire_bridge.spiffe.id import SpiffeId, TrustDomain
from spire_bridge.workload import messages
from spire_bridge.workload.jwt_svids import checked_jwt_svids
from spire_bridge.workload.messages import BundleSet, X509Context

# cryptography warns of odd serial numbers and the like, which it accepts.
pytestmark = pytest.mark.filterwarnings("ignore::cryptography.utils.CryptographyDeprecationWarning")

HOME, PARTNER = TrustDomain("example.org"), TrustDomain("partner.example")
WEB = "spiffe://example.org/web"


@cache
def jwt_authority() -> JwtAuthority:
    return JwtAuthority(time.time, key_type=KeyType.EC_P256)


@cache
def x509_authority() -> X509Authority:
    return X509Authority(time.time, trust_domain_id="spiffe://example.org", intermediate=True)


def x509_response() -> pb.X509SVIDResponse:
    issued = x509_authority().issue(WEB, 3600)
    response = pb.X509SVIDResponse(crl=[b"crl"])
    response.svids.add(
        spiffe_id=WEB,
        x509_svid=issued.chain_der,
        x509_svid_key=issued.key_der,
        bundle=b"".join(certificate_der(key.root) for key in x509_authority().keys),
        hint="external",
    )
    return response


def mutated(data: bytes) -> st.SearchStrategy[bytes]:
    """The bytes with some of them replaced, left out, or others put in between."""

    @st.composite
    def strategy(draw: st.DrawFn) -> bytes:
        text = bytearray(data)
        for _ in range(draw(st.integers(0, 4))):
            at = draw(st.integers(0, max(0, len(text) - 1)))
            end = at + draw(st.integers(0, 3))
            text[at:end] = draw(st.binary(max_size=3))
        return bytes(text)

    return strategy()


@given(mutated(x509_response().SerializeToString()))
def test_mutated_x509_answers(data: bytes) -> None:
    refused_or_parsed(pb.X509SVIDResponse, messages.x509_context, data)


@given(mutated(x509_response().svids[0].x509_svid), mutated(x509_response().svids[0].bundle))
def test_mutated_certificates(chain: bytes, bundle: bytes) -> None:
    response = x509_response()
    response.svids[0].x509_svid = chain
    response.svids[0].bundle = bundle
    try:
        messages.x509_context(response)
    except BridgeError:
        return


@given(st.dictionaries(st.text() | st.just(WEB), st.binary(), max_size=3))
def test_any_bundles(bundles: dict[str, bytes]) -> None:
    for response_type, parse in (
        (pb.JWTBundlesResponse, messages.jwt_bundles),
        (pb.X509BundlesResponse, messages.x509_bundles),
    ):
        try:
            parse(response_type(bundles=bundles))
        except BridgeError:
            continue


@given(mutated(jwt_authority().issue(WEB, ["db"], 300).token.encode()), st.text())
def test_mutated_tokens(token: bytes, name: str) -> None:
    response = pb.JWTSVIDResponse()
    response.svids.add(spiffe_id=name, svid=token.decode("ascii", "ignore"))
    try:
        checked_jwt_svids(response.svids, ["db"], None, time.time())
    except BridgeError:
        return


def refused_or_parsed(response_type: Any, parse: Any, data: bytes) -> None:
    try:
        response = response_type.FromString(data)
    except Exception:  # noqa: BLE001 — grpc does away with these; they become None
        return
    try:
        parse(response)
    except BridgeError:
        return


def test_values_are_immutable() -> None:
    context = messages.x509_context(x509_response())
    with pytest.raises(FrozenInstanceError):
        context.svids = ()  # type: ignore[misc]
    with pytest.raises(TypeError):
        context.bundles.bundles[PARTNER] = None  # type: ignore[index]
    with pytest.raises(TypeError):
        context.bundles.refused[PARTNER] = None  # type: ignore[index]
    response = pb.JWTSVIDResponse()
    response.svids.add(spiffe_id=WEB, svid=jwt_authority().issue(WEB, ["db"], 300).token)
    (svid,) = checked_jwt_svids(response.svids, ["db"], SpiffeId.parse(WEB), time.time())
    with pytest.raises(TypeError):
        svid.claims["sub"] = "other"  # type: ignore[index]


def test_an_x509_context() -> None:
    context = messages.x509_context(x509_response())
    assert str(context.default_svid.spiffe_id) == WEB
    assert context.svid_with_hint("external") is context.default_svid
    assert context.svid_with_hint("internal") is None
    assert context.crls == (b"crl",)
    assert set(context.bundles) == {HOME}
    assert len(context.bundles) == 1
    assert "BEGIN" not in repr(context)
    assert "private_key" not in repr(context)


def test_of_two_svids_with_one_hint_the_first_counts() -> None:
    response = x509_response()
    issued = x509_authority().issue("spiffe://example.org/second", 3600)
    second = response.svids.add()
    second.CopyFrom(response.svids[0])
    second.spiffe_id = "spiffe://example.org/second"
    second.x509_svid, second.x509_svid_key = issued.chain_der, issued.key_der
    chosen = messages.x509_context(response).svid_with_hint("external")
    assert chosen is not None
    assert str(chosen.spiffe_id) == WEB


def test_refused_bundles_are_kept_as_they_were() -> None:
    error = InvalidBundle("broken")
    before = BundleSet({HOME: "own 1", PARTNER: "theirs 1"})
    now = BundleSet({HOME: "own 2"}, MappingProxyType({PARTNER: error}))
    kept = now.keeping(before)
    assert dict(kept) == {HOME: "own 2", PARTNER: "theirs 1"}
    assert kept.refused == {PARTNER: error}
    assert dict(BundleSet({HOME: "own 3"}).keeping(kept)) == {HOME: "own 3"}
    assert dict(now.keeping(BundleSet({HOME: "own 1"}))) == {HOME: "own 2"}


def test_a_refused_bundle_of_a_context_is_kept_too() -> None:
    good = messages.x509_context(x509_response())
    refused: BundleSet[Any] = BundleSet({}, {HOME: InvalidBundle("broken")})
    broken: X509Context = replace(good, bundles=refused)
    assert dict(broken.keeping(good).bundles) == dict(good.bundles)
