"""Endpoints that take a JWT-SVID, verified by the trust domain's keys with PyJWT.

Made from what the clients send: Databricks' token exchange and Snowflake's login.
"""

from __future__ import annotations

import gzip
import json
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from socketserver import TCPServer
from typing import Any
from urllib.parse import parse_qs

import jwt

Keys = Mapping[str, Any]


class Relying:
    """Whom a token has to be for, and what has to have signed it."""

    def __init__(self, key_set: Keys, audience: str) -> None:
        self._keys = {key["kid"]: jwt.PyJWK(key) for key in key_set["keys"]}
        self._audience = audience

    def subject(self, token: str) -> str:
        """Raises `jwt.PyJWTError`."""
        key = self._keys[jwt.get_unverified_header(token)["kid"]]
        claims = jwt.decode(token, key, algorithms=["RS256", "ES256"], audience=self._audience)
        return str(claims["sub"])


class _Handler(BaseHTTPRequestHandler):
    relying: Relying

    def do_GET(self) -> None:
        base = f"http://127.0.0.1:{self.server.server_address[1]}/oidc"
        token_endpoint = f"{base}/v1/token"
        self._answer(
            200,
            {
                "oidc_endpoint": base,
                "token_endpoint": token_endpoint,
                "authorization_endpoint": token_endpoint,
            },
        )

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("content-length", 0)))
        if self.headers.get("content-encoding") == "gzip":
            body = gzip.decompress(body)
        if self.path.startswith("/oidc/"):
            self._exchange(parse_qs(body.decode()))
        elif self.path.startswith("/session/v1/login-request"):
            self._log_in(json.loads(body)["data"])
        else:
            self._answer(200, {"success": True})

    def _exchange(self, form: Mapping[str, list[str]]) -> None:
        try:
            subject = self.relying.subject(form["subject_token"][0])
        except jwt.PyJWTError as error:
            self._answer(400, {"error": "invalid_grant", "error_description": str(error)})
        else:
            answer = {"access_token": subject, "token_type": "Bearer", "expires_in": 3600}
            self._answer(200, answer)

    def _log_in(self, data: Mapping[str, Any]) -> None:
        assert (data["AUTHENTICATOR"], data["PROVIDER"]) == ("WORKLOAD_IDENTITY", "OIDC")
        try:
            self.relying.subject(data["TOKEN"])
        except jwt.PyJWTError as error:
            self._answer(200, {"success": False, "message": str(error), "code": "390318"})
        else:
            session = {"token": "t", "masterToken": "m", "sessionId": 1, "parameters": []}
            self._answer(200, {"success": True, "data": {**session, "sessionInfo": {}}})

    def _answer(self, status: int, value: Any) -> None:
        body = json.dumps(value).encode()
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        """What a token endpoint is asked is no line of a test's output."""


@contextmanager
def serving(server: TCPServer) -> Iterator[int]:
    """Serves in a thread until the context is left; yields the port."""
    with server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield server.server_address[1]
        finally:
            server.shutdown()
            thread.join()


@contextmanager
def token_endpoint(relying: Relying) -> Iterator[int]:
    """Serves until the context is left; yields the port on loopback."""
    handler = type("Handler", (_Handler,), {"relying": relying})
    with serving(ThreadingHTTPServer(("127.0.0.1", 0), handler)) as port:
        yield port
