"""The wire format, held against the protobuf library."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from spire_bridge._proto import workload_pb2 as pb
from spire_bridge.sandbox.faults import GARBAGE_BYTES
from spire_bridge.transport.unary import protobuf
from spire_bridge.transport.unary.errors import NotUnderstood

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=300)


@given(st.lists(TEXT.filter(bool), max_size=5), TEXT)
def test_a_request_reads_as_it_was_meant(audience: list[str], spiffe_id: str) -> None:
    request = b"".join(protobuf.encode(1, name) for name in audience)
    request += protobuf.encode(2, spiffe_id)
    message = pb.JWTSVIDRequest.FromString(request)
    assert (list(message.audience), message.spiffe_id) == (audience, spiffe_id)


@given(st.lists(st.tuples(TEXT, TEXT, TEXT), max_size=5))
def test_a_response_reads_as_it_was_written(svids: list[tuple[str, str, str]]) -> None:
    response = pb.JWTSVIDResponse()
    for spiffe_id, svid, hint in svids:
        response.svids.add(spiffe_id=spiffe_id, svid=svid, hint=hint)
    read = []
    for number, content in protobuf.decode(response.SerializeToString()):
        read.append(_texts(content))
        assert number == 1
    assert read == svids


def test_unknown_fields_of_every_kind_are_skipped() -> None:
    odd = bytes.fromhex("2896 01 31 0102030405060708 3d 01020304 0a0161")
    assert list(protobuf.decode(odd)) == [(1, b"a")]


@pytest.mark.parametrize(
    "message",
    [
        GARBAGE_BYTES,
        b"\x00\x01",  # field 0
        b"\x0b\x0c",  # a group
        b"\x0e",  # no such kind
        b"\x0a",  # no length
        b"\x0d\x01",  # half a number
        b"\x08" + b"\xff" * 11,  # an endless number
    ],
)
def test_what_is_no_message(message: bytes) -> None:
    with pytest.raises(NotUnderstood):
        list(protobuf.decode(message))


def test_text_that_is_none() -> None:
    with pytest.raises(NotUnderstood):
        protobuf.text(b"\xff")


@given(st.binary(max_size=60))
@example(b"\x0a\x80\x80\x80\x80\x80\x80\x80\x80\x80\x01")
@example(b"\x0a\x04\x0a\x00\x12\x00")
@example(b"\x82\x80\x80\x80\x10\x00")  # field 2^29
@example(b"\x0a\x03\x0a\x01\xff")
def test_what_is_read_of_any_bytes_the_library_reads_too(message: bytes) -> None:
    try:
        read = [_texts(content) for number, content in protobuf.decode(message) if number == 1]
    except NotUnderstood:
        return
    library = pb.JWTSVIDResponse.FromString(message)
    assert read == [(svid.spiffe_id, svid.svid, svid.hint) for svid in library.svids]


def _texts(content: bytes) -> tuple[str, ...]:
    texts = {n: protobuf.text(c) for n, c in protobuf.decode(content) if n <= 3}
    return tuple(texts.get(number, "") for number in (1, 2, 3))
