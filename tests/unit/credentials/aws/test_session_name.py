"""SPIFFE IDs as role session names."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spire_bridge.credentials.aws.session_name import session_name
from spire_bridge.spiffe.id import SpiffeId

ALLOWED = re.compile(r"[\w+=,.@-]{2,64}", re.ASCII)
SEGMENTS = st.lists(st.from_regex(r"[a-zA-Z0-9_-][a-zA-Z0-9._-]{0,39}", fullmatch=True), max_size=6)
IDS = st.builds(
    lambda domain, segments: SpiffeId.parse("/".join((f"spiffe://{domain}", *segments))),
    st.from_regex(r"[a-z0-9._-]{1,80}", fullmatch=True),
    SEGMENTS,
)


@pytest.mark.parametrize(
    ("spiffe_id", "name"),
    [
        ("spiffe://example.org/ns/web/sa/api", r"example\.org,ns,web,sa,api"),
        ("spiffe://e/a", "e,a"),
        ("spiffe://e", "e=[0-9a-f]{12}"),
        (f"spiffe://e/{'a' * 62}", f"e,{'a' * 62}"),
        (f"spiffe://e/{'a' * 60}/api", f"{'a' * 47},api=[0-9a-f]{{12}}"),
    ],
)
def test_the_name_can_be_read(spiffe_id: str, name: str) -> None:
    assert re.fullmatch(name, session_name(SpiffeId.parse(spiffe_id)))


@given(IDS)
def test_sts_takes_each_name(spiffe_id: SpiffeId) -> None:
    assert ALLOWED.fullmatch(session_name(spiffe_id))


@given(IDS, IDS)
def test_two_ids_have_two_names(one: SpiffeId, other: SpiffeId) -> None:
    assert (session_name(one) == session_name(other)) == (one == other)


def test_long_ids_that_end_alike_have_two_names() -> None:
    path = f"/ns/{'a' * 60}/sa/api"
    names = {session_name(SpiffeId.parse(f"spiffe://{d}.test{path}")) for d in ("one", "two")}
    assert len(names) == 2
    assert len({name[:50] for name in names}) == 1
