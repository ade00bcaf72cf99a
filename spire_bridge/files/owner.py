"""Users and groups that files are given to."""

from __future__ import annotations

import grp
import os
import pwd
from collections.abc import Callable

from spire_bridge.errors import EXIT_USAGE, BridgeError
from spire_bridge.value import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pathlib import Path
    from typing import Self

# The number above it is chown's -1.
_MAX_NUMBER = 2**32 - 2
_MAX_DIGITS = 10


class OwnerFailure(BridgeError):
    """A file can't have this owner: there is none of this name, or it may not be given away."""

    code = "OWNER_UNKNOWN"
    exit_status = EXIT_USAGE


class Owner(Value):
    """A user and a group by number; -1 for the one of this process."""

    uid: int = -1
    gid: int = -1

    @classmethod
    def of(cls, user: str, group: str) -> Self:
        """From names or numbers, empty for none. Raises `OwnerFailure`."""
        try:
            uid = _number(user, lambda name: pwd.getpwnam(name).pw_uid)
        except KeyError:
            raise _unknown("user", user) from None
        try:
            gid = _number(group, lambda name: grp.getgrnam(name).gr_gid)
        except KeyError:
            raise _unknown("group", group) from None
        return cls(uid, gid)

    def take(self, file: Path | int) -> None:
        """Makes a file, by path or descriptor, this owner's. Raises `OwnerFailure`, `OSError`."""
        if self == Owner():
            return
        try:
            os.chown(file, self.uid, self.gid)
        except PermissionError:
            raise OwnerFailure(
                "this process may not give its files to another user or group",
                hint="run it as that user or in that group, or grant it CAP_CHOWN",
            ) from None


def _unknown(kind: str, name: str) -> OwnerFailure:
    return OwnerFailure(f"there is no {kind} {name!r}", hint="name one of this machine")


def _number(name: str, look_up: Callable[[str], int]) -> int:
    """Raises `KeyError` for an unknown name and a number that none can have."""
    if not name:
        return -1
    if not (name.isascii() and name.isdecimal()):
        return look_up(name)
    if len(name) > _MAX_DIGITS or int(name) > _MAX_NUMBER:
        raise KeyError(name)
    return int(name)
