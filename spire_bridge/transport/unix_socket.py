"""Unix sockets of this machine: their addresses, and what is wrong with one."""

from __future__ import annotations

import os
import stat
from enum import Enum, auto
from pathlib import Path
from urllib.parse import quote, unquote_to_bytes

MAX_SOCKET_PATH_BYTES = 107  # what the kernel's sockaddr_un holds


def unix_path(rest: str) -> Path:
    """The path in what follows `unix:`, which is `/path` or `///path`, percent-encoded or not.

    Raises `ValueError` with what is wrong, as the end of a sentence about the address.
    """
    encoded = rest.removeprefix("//") if rest.startswith("///") else rest
    path = os.fsdecode(unquote_to_bytes(encoded))
    if not path.startswith("/") or path.startswith("//") or path == "/":
        raise ValueError("unix: needs an absolute path and no authority")
    if "\0" in path or len(os.fsencode(path)) > MAX_SOCKET_PATH_BYTES:
        raise ValueError(
            f"has a path that is no socket's: it has a null byte"
            f" or over {MAX_SOCKET_PATH_BYTES} bytes"
        )
    return Path(path)


def unix_target(path: Path) -> str:
    """What gRPC calls the socket."""
    return f"unix:{quote(os.fsencode(path))}"


class SocketProblem(Enum):
    """Why nothing can be reached at a socket."""

    MISSING = auto()
    FOLDER_FORBIDDEN = auto()  # this user may not look into its folder
    NOT_A_SOCKET = auto()
    FORBIDDEN = auto()  # this user may not open it


def socket_problem(path: Path) -> SocketProblem | None:
    """What is wrong with a socket, as far as looking at it tells."""
    try:
        mode = path.stat().st_mode
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
