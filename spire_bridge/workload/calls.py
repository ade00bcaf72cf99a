"""What calls of the Workload API have in common, whoever makes them."""

from __future__ import annotations

from collections.abc import Iterable

from spire_bridge.transport.rpc_errors import InvalidArgument

DEFAULT_TIMEOUT_SECONDS = 10.0

# Keeps a forged request from reaching the endpoint (Workload Endpoint, section 3).
SECURITY_HEADER = ("workload.spiffe.io", "true")


def audience_names(audience: Iterable[str]) -> tuple[str, ...]:
    """The audience as the API wants it: one name or more, in order, each once."""
    names = (audience,) if isinstance(audience, str) else tuple(dict.fromkeys(audience))
    if not names or not all(names):
        raise InvalidArgument("at least one audience is needed, and none may be empty")
    check_text(*names)
    return names


def check_text(*texts: str) -> None:
    """Raises `InvalidArgument` for what UTF-8 can't hold, such as stray bytes of a command line."""
    try:
        "".join(texts).encode()
    except UnicodeEncodeError:
        raise InvalidArgument("an audience or token is not valid text") from None
