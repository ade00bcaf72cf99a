"""As much of a MongoDB server as a driver's handshake needs: OP_MSG, hello, SASL with a token."""

from __future__ import annotations

import socketserver
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import jwt

from programs.token_endpoint import Relying, serving

_OP_REPLY, _OP_QUERY, _OP_MSG = 1, 2004, 2013
_HEADER = struct.Struct("<iiii")


class _Connection(socketserver.StreamRequestHandler):
    relying: Relying

    def handle(self) -> None:
        import bson

        while header := self.rfile.read(_HEADER.size):
            length, request_id, _, operation = _HEADER.unpack(header)
            body = self.rfile.read(length - _HEADER.size)
            # Before the document: flags and a section's kind, or what a query begins with.
            start = 5 if operation == _OP_MSG else body.index(b"\0", 4) + 9
            size = int.from_bytes(body[start : start + 4], "little")
            answer = bson.encode(self._answer(bson.decode(body[start : start + size])))
            if operation == _OP_MSG:
                self._send(_OP_MSG, request_id, struct.pack("<iB", 0, 0) + answer)
            else:
                self._send(_OP_REPLY, request_id, struct.pack("<iqii", 8, 0, 0, 1) + answer)

    def _send(self, operation: int, request_id: int, body: bytes) -> None:
        self.wfile.write(_HEADER.pack(_HEADER.size + len(body), 0, request_id, operation) + body)

    def _answer(self, command: dict[str, Any]) -> dict[str, Any]:
        if "saslStart" in command or "speculativeAuthenticate" in command:
            return self._hello(command) | self._log_in(
                command.get("speculativeAuthenticate", command)
            )
        return self._hello(command)

    def _hello(self, command: dict[str, Any]) -> dict[str, Any]:
        if not {"hello", "ismaster", "isMaster"} & set(command):
            return {"ok": 1.0}
        wire = {"minWireVersion": 0, "maxWireVersion": 21}
        return {"ok": 1.0, "isWritablePrimary": True, "ismaster": True, "helloOk": True, **wire}

    def _log_in(self, command: dict[str, Any]) -> dict[str, Any]:
        import bson

        if command["mechanism"] != "MONGODB-OIDC":
            return {"ok": 0.0, "errmsg": "no such mechanism", "code": 2}
        try:
            self.relying.subject(bson.decode(command["payload"])["jwt"])
        except jwt.PyJWTError as error:
            return {"ok": 0.0, "errmsg": str(error), "code": 18, "codeName": "AuthenticationFailed"}
        return {"ok": 1.0, "conversationId": 1, "done": True, "payload": b""}


class _Server(socketserver.ThreadingTCPServer):
    daemon_threads = True


@contextmanager
def mongod(relying: Relying) -> Iterator[int]:
    """Serves until the context is left; yields the port on loopback."""
    handler = type("Connection", (_Connection,), {"relying": relying})
    with serving(_Server(("127.0.0.1", 0), handler)) as port:
        yield port
