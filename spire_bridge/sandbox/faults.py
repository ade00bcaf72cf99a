"""Faults that an endpoint can be told to show."""

from __future__ import annotations

from collections.abc import MutableMapping
from enum import Enum, auto

import grpc

from spire_bridge._proto import spire_types_pb2 as types
from spire_bridge._proto import workload_pb2 as pb
from spire_bridge.sandbox.errors import Refusal


class Fault(Enum):
    """What an endpoint does wrong, for new calls and on open streams alike."""

    UNAVAILABLE = auto()  # refused with this status; so are the next three
    PERMISSION_DENIED = auto()
    INVALID_ARGUMENT = auto()
    UNIMPLEMENTED = auto()
    END_STREAM = auto()  # a stream ends, cleanly, after its message
    SLOW = auto()  # each message is late by the endpoint's `delay_seconds`
    HANG = auto()  # nothing is answered, and streams fall silent
    GARBAGE = auto()  # messages are bytes that no protobuf parser accepts
    MALFORMED = auto()  # messages are protobuf with broken tokens, DER and JWK sets in them
    WRONG_AUDIENCE = auto()  # tokens are for an audience that nobody asked for
    EXPIRED = auto()  # tokens and certificates expired an hour ago

    def refuse(self) -> None:
        """Raises `Refusal` if this fault is a status."""
        if self in _REFUSALS:
            raise Refusal(*_REFUSALS[self])


_REFUSALS = {
    Fault.UNAVAILABLE: (grpc.StatusCode.UNAVAILABLE, "the agent is not available"),
    Fault.PERMISSION_DENIED: (grpc.StatusCode.PERMISSION_DENIED, "no identity issued"),
    Fault.INVALID_ARGUMENT: (grpc.StatusCode.INVALID_ARGUMENT, "the request is not valid"),
    Fault.UNIMPLEMENTED: (grpc.StatusCode.UNIMPLEMENTED, "the method is not implemented"),
}

EXPIRED_SECONDS_AGO = 3600
WRONG_AUDIENCE = "an-audience-nobody-asked-for"

# A length-delimited field that claims more bytes than follow.
GARBAGE_BYTES = b"\x0a\xff\xff\xff\x07garbage"
# A DER sequence cut short.
BROKEN_DER = b"\x30\x82\x01\x00broken"
BROKEN_JWKS = b'{"keys": [{"kty": "RSA", '
BROKEN_TOKEN = "not.a.token"  # noqa: S105

Message = (
    pb.X509SVIDResponse
    | pb.X509BundlesResponse
    | pb.JWTSVIDResponse
    | pb.JWTBundlesResponse
    | pb.ValidateJWTSVIDResponse
    | types.Bundle
)


def encoded(message: Message, fault: Fault | None) -> bytes:
    """What is sent for `message` under `fault`."""
    if fault is Fault.GARBAGE:
        return GARBAGE_BYTES
    if fault is Fault.MALFORMED:
        break_content(message)
    return message.SerializeToString(deterministic=True)


def break_content(message: Message) -> None:
    """Replaces every token, certificate, key and key set in `message` by broken ones."""
    match message:
        case pb.X509SVIDResponse():
            for svid in message.svids:
                svid.x509_svid = svid.x509_svid_key = svid.bundle = BROKEN_DER
            _replace_values(message.federated_bundles, BROKEN_DER)
        case pb.JWTSVIDResponse():
            for token in message.svids:
                token.svid = BROKEN_TOKEN
        case pb.X509BundlesResponse():
            _replace_values(message.bundles, BROKEN_DER)
        case pb.JWTBundlesResponse():
            _replace_values(message.bundles, BROKEN_JWKS)
        case pb.ValidateJWTSVIDResponse():
            message.spiffe_id = "not a SPIFFE ID"
        case types.Bundle():
            _break_bundle(message)


def _break_bundle(bundle: types.Bundle) -> None:
    bundle.trust_domain = "not a trust domain"
    for key in bundle.jwt_authorities:
        key.public_key = BROKEN_DER
    for certificate in bundle.x509_authorities:
        certificate.asn1 = BROKEN_DER


def _replace_values(bundles: MutableMapping[str, bytes], value: bytes) -> None:
    for name in list(bundles):
        bundles[name] = value
