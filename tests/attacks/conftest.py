"""What every attack on a token is held to: refused, told nothing, and nobody called."""

from __future__ import annotations

import logging
import socket
from collections.abc import Iterator
from typing import Any, NoReturn

import pytest
from forgery.target import BUNDLES, CLAIMS, NOW, Refused

from spire_bridge.spiffe.errors import InvalidSvid
from spire_bridge.spiffe.jwt_svid import verify_jwt_svid


@pytest.fixture
def nobody_is_called(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A key is never looked for outside the bundle."""
    calls: list[object] = []

    def refuse(*arguments: object, **_: object) -> NoReturn:
        calls.append(arguments)
        raise OSError

    with monkeypatch.context() as patch:
        for name in ("connect", "connect_ex", "sendto", "sendmsg"):
            patch.setattr(socket.socket, name, refuse)
        for name in ("getaddrinfo", "gethostbyname", "create_connection"):
            patch.setattr(socket, name, refuse)
        yield
    assert not calls


@pytest.fixture
def refused(caplog: pytest.LogCaptureFixture) -> Refused:
    """Asserts that a token is refused, and that nothing said about it repeats any of it."""
    caplog.set_level(logging.DEBUG)

    def check(token: str, kind: type[InvalidSvid] = InvalidSvid, **options: Any) -> InvalidSvid:
        arguments = {"bundles": BUNDLES, "audience": "bridge", "now": NOW, **options}
        with pytest.raises(InvalidSvid) as caught:
            verify_jwt_svid(token, **arguments)
        assert type(caught.value) is kind
        assert_tells_nothing(caught.value, token)
        assert not caplog.records
        return caught.value

    return check


def assert_tells_nothing(error: BaseException | None, token: str) -> None:
    while error is not None:
        told = f"{error!r} {error} {error.args} {vars(error)}"
        assert CLAIMS["jti"] not in told
        for part in token.split("."):
            assert not any(part[i : i + 12] in told for i in range(max(len(part) - 11, 0)))
        error = error.__cause__ or error.__context__
