"""What a server may say within the rules is read; all else is left to the gRPC library."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spire_bridge.transport.unary import fields
from spire_bridge.transport.unary import frames as h2
from spire_bridge.transport.unary.errors import NotUnderstood
from spire_bridge.transport.unary.exchange import (
    MAX_FIELDS_BYTES,
    MAX_MESSAGE_BYTES,
    Answer,
    Exchange,
    opening,
)
from spire_bridge.transport.unary.frames import Frame, FrameReader

SETTINGS = Frame(h2.SETTINGS, 0, 0, b"")
STARTED = fields.encode([(b":status", b"200"), (b"content-type", b"application/grpc")])
ENDED = fields.encode([(b"grpc-status", b"0")])
HEADERS = Frame(h2.HEADERS, h2.END_HEADERS, 1, STARTED)
TRAILERS = Frame(h2.HEADERS, h2.END_HEADERS | h2.END_STREAM, 1, ENDED)
BODY = b"\0\0\0\0\x05hello"
DATA = Frame(h2.DATA, 0, 1, BODY)
PLAIN = (SETTINGS, HEADERS, DATA, TRAILERS)
HELLO = Answer(0, b"", b"hello")


def heard(*frames: Frame, cuts: int = 1 << 20) -> Exchange:
    exchange = Exchange()
    data = b"".join(frame.encode() for frame in frames)
    for at in range(0, len(data), cuts):
        exchange.receive(data[at : at + cuts])
    return exchange


def refusal(status: bytes, *others: fields.Field) -> Frame:
    block = fields.encode([(b":status", b"200"), (b"grpc-status", status), *others])
    return Frame(h2.HEADERS, h2.END_HEADERS | h2.END_STREAM, 1, block)


@pytest.mark.parametrize("cuts", [1, 2, 7, 1 << 20])
def test_a_plain_answer_in_pieces_of_any_size(cuts: int) -> None:
    assert heard(*PLAIN, cuts=cuts).answer == HELLO


def test_an_answer_is_not_there_before_its_end() -> None:
    assert heard(*PLAIN[:-1]).answer is None


def test_trailers_alone() -> None:
    answer = heard(SETTINGS, refusal(b"7", (b"grpc-message", b"no%20identity"))).answer
    assert answer == Answer(7, b"no%20identity", None)


def test_a_refusal_after_half_a_message() -> None:
    half = Frame(h2.DATA, 0, 1, BODY[:-1])
    block = fields.encode([(b"grpc-status", b"13")])
    end = Frame(h2.HEADERS, h2.END_HEADERS | h2.END_STREAM, 1, block)
    assert heard(SETTINGS, HEADERS, half, end).answer == Answer(13, b"", None)


@pytest.mark.parametrize(
    "between",
    [
        Frame(h2.SETTINGS, 0, 0, b"\0\4\0\0\1\0"),
        Frame(h2.SETTINGS, h2.ACK, 0, b""),
        Frame(h2.PING, 0, 0, b"12345678"),
        Frame(h2.PING, h2.ACK, 0, b"12345678"),
        Frame(h2.WINDOW_UPDATE, 0, 0, b"\0\0\1\0"),
        Frame(h2.WINDOW_UPDATE, 0, 1, b"\0\0\1\0"),
        Frame(h2.GOAWAY, 0, 0, b"\x7f\xff\xff\xff\0\0\0\0"),
        Frame(h2.GOAWAY, 0, 0, b"\0\0\0\1\0\0\0\0bye"),
        Frame(h2.DATA, 0, 1, b""),
        Frame(h2.DATA, h2.PADDED, 1, b"\3\0\0\0"),
        Frame(2, 0, 1, b"\0\0\0\0\0"),  # PRIORITY
        Frame(0xFA, 0xFF, 9, b"an extension"),
    ],
)
def test_what_may_stand_between(between: Frame) -> None:
    for place in range(1, len(PLAIN)):
        if between.kind == h2.DATA and place == 1:
            continue
        assert heard(*PLAIN[:place], between, *PLAIN[place:]).answer == HELLO


def test_pings_and_settings_are_acknowledged() -> None:
    ping = Frame(h2.PING, 0, 0, b"12345678")
    said = Exchange().receive(SETTINGS.encode() + ping.encode())
    assert list(FrameReader().feed(said)) == [
        Frame(h2.SETTINGS, h2.ACK, 0, b""),
        Frame(h2.PING, h2.ACK, 0, b"12345678"),
    ]


def test_padding_priority_and_continuation() -> None:
    flags = h2.PADDED | h2.PRIORITY
    first = Frame(h2.HEADERS, flags, 1, b"\2" + b"\0\0\0\0\x0f" + STARTED[:5] + b"\0\0")
    rest = Frame(h2.CONTINUATION, h2.END_HEADERS, 1, STARTED[5:])
    data = [
        Frame(h2.DATA, h2.PADDED, 1, b"\4" + BODY[:3] + b"\0\0\0\0"),
        Frame(h2.DATA, 0, 1, BODY[3:]),
    ]
    trailers = Frame(h2.HEADERS, h2.END_STREAM, 1, ENDED[:1])
    more = Frame(h2.CONTINUATION, 0, 1, ENDED[1:4])
    end = Frame(h2.CONTINUATION, h2.END_HEADERS, 1, ENDED[4:])
    assert heard(SETTINGS, first, rest, *data, trailers, more, end).answer == HELLO


def with_fields(flags: int, *told: fields.Field) -> Frame:
    return Frame(h2.HEADERS, h2.END_HEADERS | flags, 1, fields.encode(told))


OK = (b":status", b"200")
LEFT_TO_OTHERS = {
    "no settings first": [HEADERS],
    "an acknowledgement first": [Frame(h2.SETTINGS, h2.ACK, 0, b"")],
    "settings of a stream": [Frame(h2.SETTINGS, 0, 1, b"")],
    "settings cut short": [Frame(h2.SETTINGS, 0, 0, b"\0\4\0")],
    "a short ping": [SETTINGS, Frame(h2.PING, 0, 0, b"1")],
    "a reset": [SETTINGS, Frame(h2.RST_STREAM, 0, 1, b"\0\0\0\7")],
    "a push": [SETTINGS, Frame(h2.PUSH_PROMISE, h2.END_HEADERS, 1, b"\0\0\0\2")],
    "gone before the call": [SETTINGS, Frame(h2.GOAWAY, 0, 0, b"\0\0\0\0\0\0\0\0")],
    "a short goaway": [SETTINGS, Frame(h2.GOAWAY, 0, 0, b"")],
    "another stream's fields": [SETTINGS, Frame(h2.HEADERS, h2.END_HEADERS, 3, STARTED)],
    "another stream's data": [SETTINGS, HEADERS, Frame(h2.DATA, 0, 3, BODY)],
    "data before fields": [SETTINGS, DATA],
    "an end without trailers": [SETTINGS, HEADERS, Frame(h2.DATA, h2.END_STREAM, 1, BODY)],
    "a continuation of nothing": [SETTINGS, Frame(h2.CONTINUATION, h2.END_HEADERS, 1, STARTED)],
    "interrupted fields": [SETTINGS, Frame(h2.HEADERS, 0, 1, STARTED), DATA],
    "more padding than payload": [SETTINGS, HEADERS, Frame(h2.DATA, h2.PADDED, 1, b"\2\0")],
    "no padding's length": [SETTINGS, HEADERS, Frame(h2.DATA, h2.PADDED, 1, b"")],
    "no priority": [SETTINGS, Frame(h2.HEADERS, h2.PRIORITY | h2.END_HEADERS, 1, b"\0")],
    "not found": [SETTINGS, with_fields(0, (b":status", b"404"))],
    "no HTTP status": [SETTINGS, with_fields(0, (b"content-type", b"text/html"))],
    "early hints": [SETTINGS, with_fields(0, (b":status", b"103"))],
    "fields twice": [SETTINGS, HEADERS, with_fields(0, OK)],
    "no gRPC status": [SETTINGS, HEADERS, DATA, with_fields(h2.END_STREAM)],
    "two gRPC statuses": [SETTINGS, refusal(b"0", (b"grpc-status", b"7"))],
    "a status in words": [SETTINGS, refusal(b"OK")],
    "a status of three digits": [SETTINGS, refusal(b"100")],
    "a negative status": [SETTINGS, refusal(b"-1")],
    "compressed": [SETTINGS, HEADERS, Frame(h2.DATA, 0, 1, b"\1" + BODY[1:]), TRAILERS],
    "two messages": [SETTINGS, HEADERS, DATA, DATA, TRAILERS],
    "half a message": [SETTINGS, HEADERS, Frame(h2.DATA, 0, 1, BODY[:-1]), TRAILERS],
    "half a prefix": [SETTINGS, HEADERS, Frame(h2.DATA, 0, 1, BODY[:3]), TRAILERS],
    "a large frame": [SETTINGS, Frame(0xFA, 0, 0, bytes(h2.MAX_PAYLOAD_BYTES + 1))],
    "endless fields": [
        SETTINGS,
        Frame(h2.HEADERS, 0, 1, b"\0"),
        *[Frame(h2.CONTINUATION, 0, 1, bytes(h2.MAX_PAYLOAD_BYTES))]
        * (MAX_FIELDS_BYTES // h2.MAX_PAYLOAD_BYTES),
    ],
    "an endless message": [
        SETTINGS,
        HEADERS,
        *[Frame(h2.DATA, 0, 1, bytes(h2.MAX_PAYLOAD_BYTES))]
        * (MAX_MESSAGE_BYTES // h2.MAX_PAYLOAD_BYTES + 1),
    ],
}


@pytest.mark.parametrize("said", LEFT_TO_OTHERS.values(), ids=LEFT_TO_OTHERS)
def test_what_is_left_to_the_library(said: list[Frame]) -> None:
    with pytest.raises(NotUnderstood):
        heard(*said)


@given(st.binary(max_size=300))
def test_any_bytes_are_no_answer(data: bytes) -> None:
    exchange = Exchange()
    try:
        exchange.receive(SETTINGS.encode() + data)
    except NotUnderstood:
        return
    assert exchange.answer is None


@given(
    st.lists(
        st.builds(
            Frame,
            st.sampled_from([*range(10), 0xFA]),
            st.sampled_from([0, 1, 4, 5, 8, 0x20, 0xFF]),
            st.sampled_from([0, 1, 3]),
            st.sampled_from([b"", STARTED, ENDED, BODY, bytes(8), b"\3" + BODY + bytes(3)]),
        ),
        max_size=8,
    )
)
def test_any_frames_are_an_answer_or_left_to_the_library(frames: list[Frame]) -> None:
    try:
        answer = heard(SETTINGS, *frames).answer
    except NotUnderstood:
        return
    assert answer is None or answer.status == 0


def test_the_request_in_frames() -> None:
    sent = opening("/Service/Method", b"hello", [(b"workload.spiffe.io", b"true")])
    assert sent.startswith(h2.PREFACE)
    settings, window, headers, data = FrameReader().feed(sent[len(h2.PREFACE) :])
    assert (settings.kind, window.kind, headers.stream, data.stream) == (4, 8, 1, 1)
    told = dict(fields.decode(headers.payload))
    assert told[b":path"] == b"/Service/Method"
    assert told[b"workload.spiffe.io"] == b"true"
    assert data.payload == BODY
    assert data.flags == h2.END_STREAM


def test_a_request_that_takes_several_frames_is_left_to_the_library() -> None:
    with pytest.raises(NotUnderstood):
        opening("/Service/Method", bytes(h2.MAX_PAYLOAD_BYTES), [])
