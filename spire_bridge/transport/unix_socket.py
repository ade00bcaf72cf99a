"""Unix sockets of this machine: their addresses, and what is wrong with one."""

from __future__ import annotations

import os
import stat
from enum import Enum, auto

MAX_SOCKET_PATH_BYTES = 107  # what the kernel's sockaddr_un holds


def unix_path(rest: str) -> str:
    """The path in what follows `unix:`, which is `/path` or `///path`, percent-encoded or not.

    Raises `ValueError` with what is wrong, as the end of a sentence about the address.
    """
    encoded = rest.removeprefix("//") if rest.startswith("///") else rest
    path = _percent_decoded(encoded)
    if not path.startswith("/") or path.startswith("//") or path == "/":
        raise ValueError("unix: needs an absolute path and no authority")
    if "\0" in path or len(os.fsencode(path)) > MAX_SOCKET_PATH_BYTES:
        raise ValueError(
            f"has a path that is no socket's: it has a null byte"
            f" or over {MAX_SOCKET_PATH_BYTES} bytes"
        )
    return "/" + "/".join(part for part in path.split("/") if part not in {"", "."})


def _percent_decoded(text: str) -> str:
    if "%" not in text:
        return text
    from urllib.parse import unquote_to_bytes

    return os.fsdecode(unquote_to_bytes(text))


def unix_target(path: str) -> str:
    """What gRPC calls the socket."""
    from urllib.parse import quote

    return f"unix:{quote(os.fsencode(path))}"


class SocketProblem(Enum):
    """Why nothing can be reached at a socket."""

    MISSING = auto()
    FOLDER_FORBIDDEN = auto()  # this user may not look into its folder
    NOT_A_SOCKET = auto()
    FORBIDDEN = auto()  # this user may not open it


def socket_problem(path: str) -> SocketProblem | None:
    """What is wrong with a socket, as far as looking at it tells."""
    try:
        mode = os.stat(path).st_mode  # noqa: PTH116 - pathlib would be loaded for this alone
    except FileNotFoundError:
        return SocketProblem.MISSING
    except PermissionError:
        return SocketProblem.FOLDER_FORBIDDEN
    except OSError:
        return None
    if not stat.S_ISSOCK(mode):
        return SocketProblem.NOT_A_SOCKET
    if not os.access(path, os.W_OK, effective_ids=os.access in os.supports_effective_ids):
        return SocketProblem.FORBIDDEN
    return None
