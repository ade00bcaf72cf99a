"""FetchJWTSVID without the gRPC library and its messages (SPIFFE Workload API, section 6.2.1)."""

from __future__ import annotations

from collections.abc import Iterable

from spire_bridge.spiffe.id import SpiffeId
from spire_bridge.transport.unary import protobuf
from spire_bridge.transport.unary.call import Endpoint, call
from spire_bridge.value import Value
from spire_bridge.workload.address import EndpointAddress
from spire_bridge.workload.calls import SECURITY_HEADER
from spire_bridge.workload.errors import agent_at

_METHOD = "/SpiffeWorkloadAPI/FetchJWTSVID"
_NAME, _VALUE = SECURITY_HEADER


class JwtSvidMessage(Value):
    """The API's JWTSVID."""

    spiffe_id: str
    svid: str
    hint: str

    _hidden = ("svid",)


def fetch_jwt_svid_messages(
    address: EndpointAddress,
    audience: Iterable[str],
    spiffe_id: SpiffeId | None,
    *,
    deadline: float,
) -> list[JwtSvidMessage]:
    """What the agent answers, unchecked. `deadline` is on the monotonic clock.

    Raises an `RpcError` for a status other than OK and at the deadline, and `NotUnderstood`
    where the gRPC library is to be asked instead.
    """
    request = b"".join(protobuf.encode(1, name) for name in audience)
    if spiffe_id is not None:
        request += protobuf.encode(2, str(spiffe_id))
    response = call(
        _endpoint(address),
        _METHOD,
        request,
        metadata=[(_NAME.encode(), _VALUE.encode())],
        deadline=deadline,
        peer=agent_at(address),
    )
    return [_jwt_svid(content) for number, content in protobuf.decode(response) if number == 1]


def _endpoint(address: EndpointAddress) -> Endpoint:
    endpoint = address.socket_path or address.tcp
    assert endpoint is not None
    return endpoint


def _jwt_svid(message: bytes) -> JwtSvidMessage:
    """Of a field that stands twice the last one counts."""
    texts = {number: protobuf.text(c) for number, c in protobuf.decode(message) if number <= 3}
    return JwtSvidMessage(texts.get(1, ""), texts.get(2, ""), texts.get(3, ""))
