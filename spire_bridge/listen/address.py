"""Where to listen: a TCP port, or a unix socket."""

from __future__ import annotations

import os
import socket
import stat
from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path
from typing import Protocol, Self

from spire_bridge.errors import EXIT_USAGE, BridgeError

_BACKLOG = 1024
_PROBE_SECONDS = 1.0


class Address(Protocol):
    """A place to listen at."""

    def bind(self) -> socket.socket:
        """A listening socket. Raises `ListenFailure`."""
        ...

    def bound(self, listener: socket.socket) -> Self:
        """This address as it is in use, with the port that the system chose."""
        ...

    def release(self) -> None:
        """Removes what listening leaves behind."""
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

    `[::]` is every address, of IPv4 as well.
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

    def bind(self) -> socket.socket:
        """A listening socket. Raises `ListenFailure`."""
        family = socket.AF_INET6 if ":" in self.host else socket.AF_INET
        try:
            listener = socket.create_server(
                (self.host, self.port),
                family=family,
                backlog=_BACKLOG,
                dualstack_ipv6=self.host == "::" and socket.has_dualstack_ipv6(),
            )
        except OSError as error:
            raise _failure(self, error) from None
        listener.setblocking(False)
        return listener

    def bound(self, listener: socket.socket) -> Self:
        """This address, with the port that the system chose."""
        return type(self)(*listener.getsockname()[:2])

    def release(self) -> None:
        """Nothing stays behind of a port."""


@dataclass(frozen=True, slots=True)
class UnixAddress:
    """A unix socket, made with `mode`, whoever may reach its folder."""

    path: Path
    mode: int = 0o660

    def __str__(self) -> str:
        return f"unix:{self.path}"

    def bind(self) -> socket.socket:
        """A listening socket; one that nobody listens on any more is replaced.

        Raises `ListenFailure`, also for a file that is no socket and a socket in use.
        """
        self._remove_stale()
        listener = socket.socket(socket.AF_UNIX)
        try:
            listener.bind(str(self.path))
            self.path.chmod(self.mode)
            listener.listen(_BACKLOG)
        except OSError as error:
            listener.close()
            raise _failure(self, error) from None
        listener.setblocking(False)
        return listener

    def bound(self, _: socket.socket) -> Self:
        return self

    def release(self) -> None:
        """Removes the socket."""
        self.path.unlink(missing_ok=True)

    def _remove_stale(self) -> None:
        try:
            mode = self.path.lstat().st_mode
        except OSError:
            return
        if not stat.S_ISSOCK(mode):
            raise ListenFailure(f"can't listen on {self}: there is a file that is no socket")
        with socket.socket(socket.AF_UNIX) as probe:
            probe.settimeout(_PROBE_SECONDS)
            if probe.connect_ex(str(self.path)) == 0:
                raise ListenFailure(
                    f"can't listen on {self}: another program listens there",
                    hint="end it, or choose another path",
                )
        self.path.unlink(missing_ok=True)


def free_address(address: ListenAddress) -> ListenAddress:
    """`address` with a port that is free at the moment. Raises `ListenFailure`."""
    with address.bind() as listener:
        return address.bound(listener)


def _failure(address: object, error: OSError) -> ListenFailure:
    return ListenFailure(
        f"can't listen on {address}: {os.strerror(error.errno) if error.errno else error}",
        hint="is another program using it? Choose another address, or port 0",
    )
