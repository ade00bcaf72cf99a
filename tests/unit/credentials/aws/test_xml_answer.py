"""Reading XML that comes from afar."""

from __future__ import annotations

from contextlib import suppress
from xml.sax.saxutils import escape

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spire_bridge.credentials.aws.xml_answer import MAX_BYTES, InvalidXml, texts_by_path


def test_texts_are_found_by_path_whatever_the_prefix() -> None:
    read = texts_by_path(b'<a xmlns="u"><b> one </b><x:c xmlns:x="v">two<d/></x:c><b>no</b></a>')
    assert read == {"a/b": "one", "a/c/d": "", "a/c": "", "a": ""}


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(b"", id="nothing"),
        pytest.param(b"<a>", id="open"),
        pytest.param(b"<a/><b/>", id="two roots"),
        pytest.param(b"<!DOCTYPE a><a/>", id="document type"),
        pytest.param(b'<!DOCTYPE a [<!ENTITY b "c">]><a>&b;</a>', id="entity"),
        pytest.param(b'<!DOCTYPE a SYSTEM "file:///etc/passwd"><a/>', id="external subset"),
        pytest.param('<!DOCTYPE a [<!ENTITY b "c">]><a>&b;</a>'.encode("utf-16"), id="UTF-16"),
        pytest.param(b"<a>&b;</a>", id="undefined entity"),
        pytest.param(b"<a>\xff</a>", id="no UTF-8"),
        pytest.param(b"<x:a/>", id="unbound prefix"),
        pytest.param(b"<a>" * 17 + b"</a>" * 17, id="deep"),
        pytest.param(b"<a>" + b" " * MAX_BYTES + b"</a>", id="large"),
        pytest.param(b'{"a": 1}', id="JSON"),
    ],
)
def test_what_sts_never_sends_is_refused(data: bytes) -> None:
    with pytest.raises(InvalidXml):
        texts_by_path(data)


@given(st.binary(max_size=300))
def test_any_bytes_are_read_or_refused(data: bytes) -> None:
    with suppress(InvalidXml):
        texts_by_path(data)


TEXTS = st.text(st.characters(codec="utf-8", exclude_categories=["C", "Z"]), min_size=1)


@given(TEXTS)
def test_a_text_comes_back_as_it_was(text: str) -> None:
    assert texts_by_path(f"<a>{escape(text)}</a>".encode()) == {"a": text}
