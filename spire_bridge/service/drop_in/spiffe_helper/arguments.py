"""`cmd_args` and `renew_signal` as spiffe-helper reads them."""

from __future__ import annotations

import re
import signal

from spire_bridge.errors import BridgeError
from spire_bridge.helper.program import signal_named

_QUOTED = re.compile(r'"((?:[^"]|"")*)"(?=[ \n]|\Z)')
_PLAIN = re.compile(r'([^" \n]*)(?=[ \n]|\Z)')


class InvalidArguments(BridgeError):
    """`cmd_args` can't be split into arguments."""

    code = "CMD_ARGS_INVALID"


def split_arguments(text: str) -> tuple[str, ...]:
    """One record of Go's encoding/csv with a blank for the comma. Raises `InvalidArguments`.

    An argument in double quotes may hold blanks, line ends, and a quote as two. Two blanks
    have an empty argument between them. What follows the first line that is not empty, and
    that no quotes go on behind, is not read. There is no shell, nor are there single quotes.
    """
    if not text:
        return ()
    lines = text.replace("\r\n", "\n").removesuffix("\r").lstrip("\n")
    if not lines:
        raise InvalidArguments("error parsing cmd arguments: there is nothing but line ends")
    arguments: list[str] = []
    position = 0
    while True:
        quoted = lines.startswith('"', position)
        match = (_QUOTED if quoted else _PLAIN).match(lines, position)
        if match is None:
            raise _stray_quote(quoted, position)
        arguments.append(match[1].replace('""', '"'))
        if not lines.startswith(" ", match.end()):
            return tuple(arguments)
        position = match.end() + 1


def renewal_signal(name: str) -> signal.Signals | None:
    """`SIGUSR1`; None for a name that is unknown or lacks the `SIG`."""
    return signal_named(name) if name.startswith("SIG") else None


def _stray_quote(quoted: bool, position: int) -> InvalidArguments:
    what = 'extraneous or missing " in a quoted' if quoted else 'bare " in a plain'
    return InvalidArguments(
        f"error parsing cmd arguments: {what} argument, which begins at character {position + 1}",
        hint='an argument with quotes in it stands in quotes, and those are doubled: "a ""b"""',
    )
