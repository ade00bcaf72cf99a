"""Where to listen: a TCP port, or a unix socket."""

from __future__ import annotations

import os
import socket
from dataclasses import dataclass, field, replace
from ipaddress import ip_address
from pathlib import Path
from typing import Protocol, Self

from spire_bridge.errors import EXIT_USAGE, BridgeError
from spire_bridge.files.owner import Owner, OwnerFailure
from spire_bridge.listen import listening_sockets, socket_file

BACKLOG = 1024

# A connection under way arrives within about a round trip: on this machine, over a network.
_HERE_SECONDS = 0.01
_NETWORK_SECONDS = 0.25


class Address(Protocol):
    """A place to listen at."""

    def bind(self) -> tuple[socket.socket, Self]:
        """A listening socket that doesn't block, and this address as it is in use.

        Raises `ListenFailure`.
        """
        ...

    def release(self, listener: socket.socket) -> float:
        """Has no more connections arrive at the socket of `bind`, which stays open.

        Those that have arrived can still be accepted. Returns in how many seconds the ones
        under way will have arrived. For an address in use, as `bind` returns it.
        """
        ...


class ListenFailure(BridgeError):
    """An address can't be listened on."""

    code = "LISTEN_FAILED"


class InvalidListenAddress(BridgeError):
    """A text is not `host:port` with an IP address or `localhost`."""

    code = "LISTEN_ADDRESS_INVALID"
    exit_status = EXIT_USAGE


@dataclass(frozen=True, slots=True)
class ListenAddress:
    """An IP address and a TCP port; port 0 has the system choose one.

    `::` stands for every address of this machine, IPv4 included.
    """

    host: str
    port: int

    @classmethod
    def parse(cls, text: str) -> Self:
        """Reads `127.0.0.1:8080`, `[::1]:8080` or `localhost:8080`."""
        host, colon, port = text.rpartition(":")
        bare = host[1:-1] if host.startswith("[") and host.endswith("]") else host
        try:
            bare = str(ip_address("127.0.0.1" if bare == "localhost" else bare))
            valid = port.isascii() and port.isdecimal() and int(port) < 65536
        except ValueError:
            valid = False
        if not colon or not valid or (":" in bare) != host.startswith("["):
            raise InvalidListenAddress(
                f"{text!r} is not an address to listen on", hint="write it as 127.0.0.1:8080"
            )
        return cls(bare, int(port))

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    def bind(self) -> tuple[socket.socket, Self]:
        """A listening socket, and this address with the port that the system chose."""
        family = socket.AF_INET6 if ":" in self.host else socket.AF_INET
        try:
            listener = socket.create_server(
                (self.host, self.port),
                family=family,
                backlog=BACKLOG,
                dualstack_ipv6=self.host == "::" and socket.has_dualstack_ipv6(),
            )
        except OSError as error:
            raise _failure(self, error) from None
        listener.setblocking(False)
        return listener, replace(self, port=listener.getsockname()[1])

    @property
    def is_loopback(self) -> bool:
        """Whether only this machine can connect."""
        return ip_address(self.host).is_loopback

    def release(self, listener: socket.socket) -> float:
        """Lets handshakes end, and begins no more."""
        listening_sockets.ignore_new_connections(listener)
        return _HERE_SECONDS if self.is_loopback else _NETWORK_SECONDS


@dataclass(frozen=True, slots=True)
class UnixAddress:
    """A unix socket with this mode, user and group, for whoever may reach its folder.

    `user` and `group` are names or numbers; empty for those of this process.
    """

    path: Path
    mode: int = 0o660
    user: str = ""
    group: str = ""
    _file: socket_file.Identity | None = field(default=None, repr=False, compare=False)

    def __str__(self) -> str:
        return f"unix:{self.path}"

    def bind(self) -> tuple[socket.socket, Self]:
        """A listening socket; one that nobody listens on any more is replaced.

        Raises `ListenFailure`, also for a file that is no socket, a socket in use, and an
        owner that doesn't exist or that this process may not give it to.
        """
        listener = socket.socket(socket.AF_UNIX)
        try:
            owner = Owner.of(self.user, self.group)
            socket_file.remove_stale(self.path)
            file = socket_file.bind(listener, self.path, owner, self.mode)
            listener.listen(BACKLOG)
        except (socket_file.Refused, OwnerFailure) as error:
            listener.close()
            raise ListenFailure(f"can't listen on {self}: {error}", hint=error.hint) from None
        except OSError as error:
            listener.close()
            raise _failure(self, error) from None
        listener.setblocking(False)
        return listener, replace(self, _file=file)

    def release(self, _: socket.socket) -> float:
        """Removes the socket, unless it is another one by now."""
        if self._file is not None and socket_file.identity(self.path) == self._file:
            self.path.unlink(missing_ok=True)
        return _HERE_SECONDS


def free_address(address: ListenAddress) -> ListenAddress:
    """`address` with a port that is free at the moment. Raises `ListenFailure`."""
    listener, free = address.bind()
    listener.close()
    return free


def _failure(address: object, error: OSError) -> ListenFailure:
    return ListenFailure(
        f"can't listen on {address}: {os.strerror(error.errno) if error.errno else error}",
        hint="is another program using it? Choose another address, or port 0",
    )
