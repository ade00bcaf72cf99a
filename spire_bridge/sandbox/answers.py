"""What an agent answers to one workload, before any gRPC: a message, or a refusal."""

from __future__ import annotations

import grpc

from spire_bridge._proto import workload_pb2 as pb
from spire_bridge.sandbox.entry import Entry
from spire_bridge.sandbox.errors import Refusal, SandboxError
from spire_bridge.sandbox.faults import EXPIRED_SECONDS_AGO, WRONG_AUDIENCE, Fault
from spire_bridge.sandbox.jwt_validation import validate
from spire_bridge.sandbox.workload import Workload
from spire_bridge.sandbox.x509_authority import IssuedX509
from spire_bridge.spiffe.id import InvalidSpiffeId, SpiffeId


class Answers:
    """Composes the Workload API's messages; each method raises `Refusal` as SPIRE would."""

    def __init__(self, workload: Workload) -> None:
        self._workload = workload
        self._agent = workload.agent

    def x509_svids(self, _request: pb.X509SVIDRequest) -> pb.X509SVIDResponse:
        entries = self._entries()
        home, *foreign = self._workload.bundles.values()
        response = pb.X509SVIDResponse(
            federated_bundles={bundle.id: bundle.x509_der for bundle in foreign}
        )
        for entry in entries:
            svid = self._x509_svid(entry)
            response.svids.add(
                spiffe_id=entry.spiffe_id,
                x509_svid=svid.chain_der,
                x509_svid_key=svid.key_der,
                bundle=home.x509_der,
                hint=entry.hint,
            )
        return response

    def x509_bundles(self, _request: pb.X509BundlesRequest) -> pb.X509BundlesResponse:
        self._entries()
        bundles = self._workload.bundles.values()
        return pb.X509BundlesResponse(bundles={b.id: b.x509_der for b in bundles})

    def jwt_bundles(self, _request: pb.JWTBundlesRequest) -> pb.JWTBundlesResponse:
        self._entries()
        response = pb.JWTBundlesResponse(
            bundles={b.id: b.jwks for b in self._workload.bundles.values()}
        )
        if self._workload.jwks is not None:
            response.bundles[self._agent.bundle.id] = self._workload.jwks
        return response

    def jwt_svids(self, request: pb.JWTSVIDRequest) -> pb.JWTSVIDResponse:
        if not request.audience:
            raise _invalid("audience must be specified")
        if request.spiffe_id:
            _check_requested_id(request.spiffe_id)
        response = pb.JWTSVIDResponse()
        for entry in self._entries():
            if request.spiffe_id in {"", entry.spiffe_id}:
                token = self._jwt_svid(entry, list(request.audience))
                response.svids.add(spiffe_id=entry.spiffe_id, svid=token, hint=entry.hint)
        if not response.svids:
            raise _no_identity_issued()
        return response

    def validation(self, request: pb.ValidateJWTSVIDRequest) -> pb.ValidateJWTSVIDResponse:
        if not request.audience:
            raise _invalid("audience must be specified")
        if not request.svid:
            raise _invalid("svid must be specified")
        spiffe_id, claims = validate(
            request.svid,
            request.audience,
            self._workload.bundles,
            home=self._agent.bundle.trust_domain,
            now=self._agent.jwt.clock(),
        )
        response = pb.ValidateJWTSVIDResponse(spiffe_id=str(spiffe_id))
        response.claims.update(claims)
        return response

    def _entries(self) -> tuple[Entry, ...]:
        if not self._workload.entries:
            raise _no_identity_issued()
        return self._workload.entries

    def _jwt_svid(self, entry: Entry, audience: list[str]) -> str:
        authority = self._agent.jwt
        try:
            match self._workload.fault:
                case Fault.WRONG_AUDIENCE:
                    wrong = [WRONG_AUDIENCE]
                    return authority.issue(entry.spiffe_id, wrong, entry.jwt_ttl_seconds).token
                case Fault.EXPIRED:
                    start = int(authority.clock()) - entry.jwt_ttl_seconds - EXPIRED_SECONDS_AGO
                    ttl = entry.jwt_ttl_seconds
                    return authority.issue(entry.spiffe_id, audience, ttl, issued_at=start).token
                case _:
                    return self._agent.jwt_svid(entry, audience)
        except SandboxError as error:
            details = f"could not fetch JWT-SVID: {error.message}"
            raise Refusal(grpc.StatusCode.UNAVAILABLE, details) from error

    def _x509_svid(self, entry: Entry) -> IssuedX509:
        authority = self._agent.x509
        try:
            if self._workload.fault is Fault.EXPIRED:
                start = int(authority.clock()) - entry.x509_ttl_seconds - EXPIRED_SECONDS_AGO
                return authority.issue(entry.spiffe_id, entry.x509_ttl_seconds, issued_at=start)
            return self._agent.x509_svid(entry)
        except SandboxError as error:
            details = f"could not fetch X.509-SVID: {error.message}"
            raise Refusal(grpc.StatusCode.UNAVAILABLE, details) from error


def _check_requested_id(text: str) -> None:
    try:
        SpiffeId.parse(text)
    except InvalidSpiffeId as error:
        raise _invalid(f"invalid requested SPIFFE ID: {error.message}") from error


def _invalid(details: str) -> Refusal:
    return Refusal(grpc.StatusCode.INVALID_ARGUMENT, details)


def _no_identity_issued() -> Refusal:
    return Refusal(grpc.StatusCode.PERMISSION_DENIED, "no identity issued")
