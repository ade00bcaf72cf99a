"""From Workload API messages to values. Pure; raises `BridgeError` for what is refused."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from spire_bridge.errors import BridgeError
from spire_bridge.spiffe.id import InvalidSpiffeId, SpiffeId, TrustDomain
from spire_bridge.transport.rpc_errors import UnexpectedAnswer

if TYPE_CHECKING:  # a command that fetches a token loads neither X.509 nor key handling
    from spire_bridge.spiffe.jwt_bundle import JwtBundle
    from spire_bridge.spiffe.x509_bundle import X509Bundle
    from spire_bridge.spiffe.x509_svid import X509Svid

B = TypeVar("B")


@dataclass(frozen=True, slots=True)
class BundleSet(Mapping[TrustDomain, B], Generic[B]):
    """The bundles of one message, by trust domain: the own one and the federated ones.

    `refused` names the trust domains whose bundle was refused in this message, and why;
    what a holder had of those before stays good.
    """

    bundles: Mapping[TrustDomain, B]
    refused: Mapping[TrustDomain, BridgeError] = field(default_factory=dict)

    def keeping(self, before: BundleSet[B]) -> BundleSet[B]:
        """These bundles, and for the refused ones those that were good before."""
        kept = {name: before.bundles[name] for name in self.refused if name in before.bundles}
        return replace(self, bundles=MappingProxyType({**kept, **self.bundles}))

    def __getitem__(self, trust_domain: TrustDomain) -> B:
        return self.bundles[trust_domain]

    def __iter__(self) -> Iterator[TrustDomain]:
        return iter(self.bundles)

    def __len__(self) -> int:
        return len(self.bundles)


@dataclass(frozen=True, slots=True)
class X509Context:
    """The workload's X.509-SVIDs, the bundles to verify peers with, and CRLs in DER."""

    svids: tuple[X509Svid, ...]
    bundles: BundleSet[X509Bundle]
    crls: tuple[bytes, ...] = ()

    @property
    def default_svid(self) -> X509Svid:
        """The identity for workloads that know of one only (Workload API, section 8)."""
        return self.svids[0]

    def svid_with_hint(self, hint: str) -> X509Svid | None:
        """The first SVID that carries `hint` (section 5.2.1)."""
        return next((svid for svid in self.svids if svid.hint == hint), None)

    def bundle(self, trust_domain: TrustDomain) -> X509Bundle:
        """The bundle of a trust domain.

        Raises `UnexpectedAnswer` if the agent has sent none, `InvalidBundle` if the one that
        it has sent was refused and there was no good one before.
        """
        if trust_domain in self.bundles:
            return self.bundles[trust_domain]
        error = self.bundles.refused.get(trust_domain) or UnexpectedAnswer(
            f"the agent has sent no bundle for trust domain {trust_domain}"
        )
        raise error.with_traceback(None)  # or it would grow each time

    def keeping(self, before: X509Context) -> X509Context:
        """This context, and for its refused bundles those that were good before."""
        return replace(self, bundles=self.bundles.keeping(before.bundles))


@dataclass(frozen=True, slots=True)
class ValidatedJwtSvid:
    """What the agent says of a JWT-SVID that it has verified."""

    spiffe_id: SpiffeId
    claims: Mapping[str, Any]


def validated_jwt_svid(response: Any) -> ValidatedJwtSvid:
    """The verdict of a ValidateJWTSVID response."""
    from google.protobuf import json_format

    try:
        claims = json_format.MessageToDict(response.claims)
    except (json_format.Error, ValueError):  # the second for NaN and Infinity
        raise UnexpectedAnswer("the agent sent claims that JSON can't hold") from None
    return ValidatedJwtSvid(SpiffeId.parse(response.spiffe_id), MappingProxyType(claims))


def jwt_bundles(response: Any) -> BundleSet[JwtBundle]:
    """The JWK sets of a FetchJWTBundles response."""
    from spire_bridge.spiffe.jwt_bundle import JwtBundle

    return _bundle_set(response.bundles, JwtBundle.from_jwk_set)


def x509_bundles(response: Any) -> BundleSet[X509Bundle]:
    """The certificates of a FetchX509Bundles response."""
    from spire_bridge.spiffe.x509_bundle import X509Bundle

    return _bundle_set(response.bundles, X509Bundle.from_der)


def x509_context(response: Any) -> X509Context:
    """The SVIDs and bundles of a FetchX509SVID response."""
    from spire_bridge.spiffe.x509_bundle import X509Bundle
    from spire_bridge.spiffe.x509_svid import X509Svid

    if not response.svids:
        raise UnexpectedAnswer("the agent answered without any X.509-SVID")
    svids = []
    bundles = dict(response.federated_bundles)
    for message in response.svids:
        svid = X509Svid.from_der(message.x509_svid, message.x509_svid_key, hint=message.hint)
        if str(svid.spiffe_id) != message.spiffe_id:
            raise UnexpectedAnswer("the agent sent a certificate whose ID is not the one it names")
        if not message.bundle:
            raise UnexpectedAnswer("the agent sent an X.509-SVID without its bundle")
        svids.append(svid)
        bundles[str(svid.spiffe_id.trust_domain.id())] = message.bundle
    return X509Context(tuple(svids), _bundle_set(bundles, X509Bundle.from_der), tuple(response.crl))


def _bundle_set(
    messages: Mapping[str, bytes], parse: Callable[[TrustDomain, bytes], B]
) -> BundleSet[B]:
    if not messages:
        raise UnexpectedAnswer("the agent answered without any bundle")
    bundles: dict[TrustDomain, B] = {}
    refused: dict[TrustDomain, BridgeError] = {}
    for name, data in messages.items():
        try:
            trust_domain = TrustDomain.parse(name)
        except InvalidSpiffeId as error:
            raise UnexpectedAnswer(f"the agent sent a bundle of no trust domain: {error}") from None
        if trust_domain in bundles or trust_domain in refused:
            raise UnexpectedAnswer(f"the agent sent two bundles of trust domain {trust_domain}")
        try:
            bundles[trust_domain] = parse(trust_domain, data)
        except BridgeError as error:
            refused[trust_domain] = error
    return BundleSet(MappingProxyType(bundles), MappingProxyType(refused))
