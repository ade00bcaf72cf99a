"""SPIFFE TLS for gRPC: a private unix socket in front of a TLS connection.

gRPC itself can verify no SPIFFE server, whose certificate has a URI name and no host name.
So its channel goes, in plain text, to a socket of this process, and from there through TLS
whose peer is known by its SPIFFE ID before a byte of a request is written. Every connection
of the channel is one to the server: what either side ends, such as a server that lets no
connection grow old, ends both, and the channel connects again by its own rules.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import socket
import ssl
import struct
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import Self

from spire_bridge.errors import BridgeError
from spire_bridge.files.errors import FileFailure
from spire_bridge.transport.rpc_errors import (
    PeerNotTrusted,
    PeerUnreachable,
    RpcError,
    TlsFailed,
)
from spire_bridge.transport.unix_socket import unix_target

# Shorter than a call may take by default, so that the call fails with the reason.
DEFAULT_CONNECT_SECONDS = 5.0

# A connection is trusted as of its handshake. SPIRE ends its own after three minutes; this
# is for whoever does not, so that a revoked authority or SVID is gone in the end.
DEFAULT_MAX_AGE_SECONDS = 300.0

# What the other end does not confirm for so long goes nowhere: the connection is dead.
_UNCONFIRMED_SECONDS = 10

_CHUNK_BYTES = 65_536
_UCRED = struct.Struct("3i")  # process, user and group of a unix socket's other end (Linux)


class Forwarder:
    """Forwards a private unix socket to `host` and `port`, as an async context manager.

    `context` comes from `transport.tls.spiffe_context` and decides whom to speak to, anew
    for each connection; a channel's `target` is the socket. `program` is what runs at the
    other end, in the words of the errors. Connecting, TLS included, takes `connect_seconds`
    at most, and a connection lives for `max_age_seconds` at most.

    gRPC learns only that its connection was closed; `last_error` is what really happened
    to the latest one, and None once one stands.
    """

    def __init__(
        self,
        host: str,
        port: int,
        context: ssl.SSLContext,
        *,
        program: str,
        connect_seconds: float = DEFAULT_CONNECT_SECONDS,
        max_age_seconds: float = DEFAULT_MAX_AGE_SECONDS,
    ) -> None:
        self.last_error: RpcError | None = None
        self._host, self._port = host, port
        self._context = context
        self._program = program
        self._connect_seconds = connect_seconds
        self._max_age_seconds = max_age_seconds
        self._folder: Path | None = None
        self._server: asyncio.Server | None = None
        self._connections: set[asyncio.Task[None]] = set()

    @property
    def target(self) -> str:
        """What gRPC calls the socket."""
        assert self._folder is not None, "the forwarder is not running"
        return unix_target(str(self._folder / "socket"))

    async def __aenter__(self) -> Self:
        """Listens. Raises `FileFailure` where no socket can be made."""
        try:
            self._folder = Path(tempfile.mkdtemp(prefix="spire-bridge-"))  # mode 0700
            self._server = await asyncio.start_unix_server(
                self._accepted, self._folder / "socket", limit=_CHUNK_BYTES
            )
        except OSError as error:
            self._remove_folder()
            raise FileFailure(
                f"no socket can be made in {tempfile.gettempdir()}: {error.strerror or error}",
                hint="set TMPDIR to a folder with a short path that this user may write",
            ) from None
        return self

    async def __aexit__(self, *_: object) -> None:
        server, self._server = self._server, None
        if server is not None:
            server.close()
        while self._connections:
            for connection in self._connections:
                connection.cancel()
            await asyncio.gather(*self._connections, return_exceptions=True)
        self._remove_folder()

    def _remove_folder(self) -> None:
        if self._folder is not None:
            shutil.rmtree(self._folder, ignore_errors=True)
            self._folder = None

    async def _accepted(self, near: asyncio.StreamReader, back: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._connections.add(task)
        task.add_done_callback(self._connections.discard)
        try:
            if self._server is not None and _is_this_user(back.get_extra_info("socket")):
                await self._forward(near, back)
        except asyncio.CancelledError:
            pass  # nobody waits for this task, and asyncio before 3.12 would log it as an error
        finally:
            back.transport.abort()

    async def _forward(self, near: asyncio.StreamReader, back: asyncio.StreamWriter) -> None:
        try:
            far, out = await self._connect()
        except RpcError as error:
            self.last_error = error
            return
        self.last_error = None
        _notice_silence(out.get_extra_info("socket"))
        try:
            await self._pump_both_ways(near, out, far, back)
        finally:
            out.transport.abort()

    async def _connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        try:
            async with asyncio.timeout(self._connect_seconds):
                return await asyncio.open_connection(
                    self._host,
                    self._port,
                    ssl=self._context,
                    ssl_shutdown_timeout=self._connect_seconds,
                    limit=_CHUNK_BYTES,
                )
        except TimeoutError:
            raise self._unreachable(f"no connection within {self._connect_seconds:g} s") from None
        except ssl.SSLError as error:
            raise self._tls_error(error) from None
        except OSError as error:
            raise self._unreachable(_reason(error)) from None

    async def _pump_both_ways(
        self,
        near: asyncio.StreamReader,
        out: asyncio.StreamWriter,
        far: asyncio.StreamReader,
        back: asyncio.StreamWriter,
    ) -> None:
        """Returns when one side has ended and the other has got all of it, or at the end of time.

        There is no half-closed connection: asyncio's TLS has none, and HTTP/2 needs none.
        """
        sending = asyncio.create_task(_pump(near, out), name="forward-out")
        receiving = asyncio.create_task(_pump(far, back), name="forward-back")
        try:
            ended, _ = await asyncio.wait(
                {sending, receiving},
                timeout=self._max_age_seconds,
                return_when=asyncio.FIRST_COMPLETED,
            )
            if not ended:
                return
            if near.at_eof() or near.exception() is not None:
                await _flush(out)
            else:
                await receiving
                # A server that refuses our certificate says so only now (TLS 1.3).
                if isinstance(error := far.exception(), ssl.SSLError):
                    self.last_error = self._tls_error(error)
                await _flush(back)
        finally:
            sending.cancel()
            receiving.cancel()
            await asyncio.gather(sending, receiving, return_exceptions=True)

    def _unreachable(self, reason: str) -> PeerUnreachable:
        return PeerUnreachable(
            f"the {self._program} at {self._place} can't be reached ({reason})",
            hint=f"is the {self._program} running, and is this its address?",
        )

    def _tls_error(self, error: ssl.SSLError) -> RpcError:
        cause = error.__cause__
        if isinstance(cause, RpcError):  # our own credentials are not there
            return cause
        if isinstance(error, ssl.SSLCertVerificationError):
            return PeerNotTrusted(
                f"the {self._program} at {self._place} is not trusted ({_reason(error)})",
                hint="nothing was sent to it; compare its certificate with the bundle in use",
            )
        return TlsFailed(
            f"TLS with the {self._program} at {self._place} failed ({_reason(error)})",
            hint=cause.hint if isinstance(cause, BridgeError) else None,
        )

    @property
    def _place(self) -> str:
        return f"[{self._host}]:{self._port}" if ":" in self._host else f"{self._host}:{self._port}"


async def _pump(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
    """Passes on what comes, no faster than it is taken, until either end is closed."""
    with suppress(OSError):  # which TLS errors are too
        while chunk := await source.read(_CHUNK_BYTES):
            sink.write(chunk)
            await sink.drain()


async def _flush(sink: asyncio.StreamWriter) -> None:
    """Closes a connection when it has been told everything that was written to it."""
    sink.close()
    with suppress(OSError):
        await sink.wait_closed()


def _notice_silence(connection: socket.socket) -> None:
    """Has the kernel give up a connection whose other end is gone without a word (Linux)."""
    if hasattr(socket, "TCP_USER_TIMEOUT"):
        milliseconds = 1000 * _UNCONFIRMED_SECONDS
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, milliseconds)


def _is_this_user(connection: socket.socket) -> bool:
    """Whether this user is at the other end; elsewhere than on Linux, the folder's mode is all."""
    if not hasattr(socket, "SO_PEERCRED"):
        return True
    credentials = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _UCRED.size)
    _, user, _ = _UCRED.unpack(credentials)
    return bool(user == os.geteuid())


def _reason(error: OSError) -> str:
    """What went wrong, without OpenSSL's names and line numbers."""
    # Only what OpenSSL itself has raised has these.
    if verdict := getattr(error, "verify_message", None):
        return str(verdict)
    if reason := getattr(error, "reason", None):
        return str(reason).replace("_", " ").lower()
    return error.strerror or str(error.args[-1] if error.args else type(error).__name__)
