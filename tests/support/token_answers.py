"""Answers of token endpoints: odd ones drawn, and ones that no endpoint should give."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

from hypothesis import strategies as st

from spire_bridge.credentials.access_token import AccessToken
from spire_bridge.errors import BridgeError
from spire_bridge.transport.outgoing import HttpAnswer

_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=40),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner),
    max_leaves=8,
)


def answer(content: object, status: int = 200) -> HttpAnswer:
    body = content if isinstance(content, bytes) else json.dumps(content).encode()
    return HttpAnswer(status, {}, body)


def answers(*names: str) -> st.SearchStrategy[HttpAnswer]:
    """Any bytes, and objects with odd values for some of the names."""
    objects = st.fixed_dictionaries({}, optional=dict.fromkeys(names, _VALUES))
    bodies = st.binary(max_size=200) | objects.map(lambda o: json.dumps(o).encode())
    statuses = st.sampled_from((200, 201, 204, 302, 400, 401, 403, 404, 429, 500, 503))
    return st.builds(HttpAnswer, statuses, st.just({}), bodies)


def odd_answers(good: Mapping[str, Any], token: str, lifetime: str) -> dict[str, HttpAnswer]:
    """Each with status 200 and wrong in one thing; two members are named."""
    return {
        "nothing": answer(b""),
        "no JSON": answer(b"<html>sign in to this network</html>"),
        "no object": answer([good]),
        "no token": answer({**good, token: None}),
        "an empty token": answer({**good, token: ""}),
        "a second header": answer({**good, token: "a\r\nX-Evil: 1"}),
        "a token of two words": answer({**good, token: "a b"}),
        "a token beyond ASCII": answer({**good, token: "ä"}),
        "a gigantic token": answer({**good, token: "a" * 40_000}),
        "no lifetime": answer({**good, lifetime: None}),
        "a lifetime that is true": answer({**good, lifetime: True}),
        "a lifetime in words": answer({**good, lifetime: "soon"}),
        "a token that is over": answer({**good, lifetime: 0}),
        "a token for ever": answer({**good, lifetime: 10**12}),
        "a name twice": answer(b'{"a": 1, "a": 2}'),
        "NaN": answer(b'{"expires_in": NaN}'),
        "deep": answer(b"[" * 60_000),
        "gigantic": answer(b" " * 100_000 + json.dumps(good).encode()),
    }


def outcome(read: Callable[[], AccessToken]) -> AccessToken | BridgeError:
    """What came of it; any other exception is none that it may end with."""
    try:
        return read()
    except BridgeError as error:
        return error
