"""Sockets that systemd has opened and passed to this process (sd_listen_fds(3))."""

from __future__ import annotations

import os
import socket
import stat
from collections.abc import MutableMapping
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from typing import Self

from spire_bridge.listen.address import ListenAddress, ListenFailure, UnixAddress

_FIRST_DESCRIPTOR = 3  # SD_LISTEN_FDS_START
_UNNAMED = "unknown"
_VARIABLES = ("LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES", "LISTEN_PIDFDID")

_HINT = "start this process by a systemd socket unit, whose FileDescriptorName= is the name"


@dataclass(slots=True)
class PassedSockets:
    """The descriptors passed to this process, with their names; or why there are none."""

    names: dict[int, str] = field(default_factory=dict)
    reason: str = ""
    in_use: set[int] = field(default_factory=set)

    @classmethod
    def taken_from(cls, environment: MutableMapping[str, str]) -> Self:
        """Removes systemd's variables, and keeps the descriptors from child processes."""
        pid, count, names, _ = [environment.pop(name, None) for name in _VARIABLES]
        if pid is None or count is None:
            return cls(reason="no socket was passed to this process")
        if pid != str(os.getpid()):
            return cls(reason=f"the sockets were passed to process {pid!r}, this is {os.getpid()}")
        if not (count.isascii() and count.isdecimal() and 0 < int(count[:6]) < 100_000):
            return cls(reason=f"LISTEN_FDS is no number of sockets: {count!r}")
        named = names.split(":") if names is not None else [_UNNAMED] * int(count)
        if len(named) != int(count):
            return cls(reason=f"LISTEN_FDNAMES has {len(named)} names for {count} sockets")
        passed = cls(dict(enumerate(named, _FIRST_DESCRIPTOR)))
        for descriptor in passed.names:
            try:
                os.set_inheritable(descriptor, False)
            except OSError:
                return cls(reason=f"descriptor {descriptor} was announced and is not open")
        return passed

    def find(self, name: str | None) -> int:
        """The descriptor of that name, or the only one. Raises `LookupError`."""
        if self.reason:
            raise LookupError(self.reason)
        found = [fd for fd, known in self.names.items() if name in {None, known}]
        known = ", ".join(repr(name) for name in self.names.values())
        if not found:
            raise LookupError(f"no socket of that name was passed; there are {known}")
        if len(found) > 1:
            which = "several sockets" if name is None else "several sockets of that name"
            raise LookupError(f"{which} were passed: {known}")
        if found[0] in self.in_use:
            raise LookupError("another listener uses that socket")
        return found[0]


@cache
def passed_sockets() -> PassedSockets:
    """Those of this process; its environment is read the first time, and never again."""
    return PassedSockets.taken_from(os.environ)


@dataclass(frozen=True, slots=True)
class ActivatedAddress:
    """A listening socket that systemd has passed, by its name; None for the only one.

    It stays open when its use ends: what arrives in between waits for the next user, in
    this process or in the one that follows.
    """

    name: str | None = None
    place: ListenAddress | UnixAddress | None = None  # once in use
    _descriptor: int = field(default=-1, repr=False, compare=False)

    def __str__(self) -> str:
        text = "activated" if self.name is None else f"activated:{self.name}"
        return text if self.place is None else f"{text} ({self.place})"

    def bind(self) -> tuple[socket.socket, Self]:
        """The socket. Raises `ListenFailure` if there is none, and says which there are."""
        passed = passed_sockets()
        try:
            descriptor = passed.find(self.name)
        except LookupError as error:
            raise ListenFailure(f"can't listen on {self}: {error.args[0]}", hint=_HINT) from None
        listener = self._listener(descriptor)
        listener.setblocking(False)
        passed.in_use.add(descriptor)
        return listener, replace(self, place=_place(listener), _descriptor=descriptor)

    def release(self, _: socket.socket) -> float:
        """Leaves the socket as it is, for its next user."""
        passed_sockets().in_use.discard(self._descriptor)
        return 0.0

    def _listener(self, descriptor: int) -> socket.socket:
        """A second descriptor of the socket, so that the first outlives its closing."""
        if not stat.S_ISSOCK(os.fstat(descriptor).st_mode):
            raise ListenFailure(f"can't listen on {self}: what was passed is no socket")
        listener = socket.socket(fileno=os.dup(descriptor))
        objection = _objection(listener)
        if objection is not None:
            listener.close()
            raise ListenFailure(f"can't listen on {self}: {objection[0]}", hint=objection[1])
        return listener


def _objection(listener: socket.socket) -> tuple[str, str] | None:
    """Why this is no socket to accept connections at, and what to do."""
    known = listener.family in {socket.AF_INET, socket.AF_INET6, socket.AF_UNIX}
    if not known or listener.type != socket.SOCK_STREAM:
        return (
            "the socket is neither TCP nor a unix stream",
            "use ListenStream= in the socket unit",
        )
    if not listener.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN):
        return (
            "the socket doesn't listen, it is a connection",
            "use Accept=no in the socket unit",
        )
    return None


def _place(listener: socket.socket) -> ListenAddress | UnixAddress:
    name = listener.getsockname()
    if isinstance(name, tuple):
        return ListenAddress(name[0].partition("%")[0], name[1])
    return UnixAddress(Path(os.fsdecode(name)))
