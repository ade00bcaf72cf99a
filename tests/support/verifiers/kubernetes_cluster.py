"""An API server with one endpoint, whose OIDC authentication is Kubernetes' own library."""

from __future__ import annotations

import json
import ssl
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from verifiers.api_server import ApiServer, Question
from verifiers.private_ca import PrivateCa

PODS = "/api/v1/namespaces/default/pods"


class KubernetesCluster(ThreadingHTTPServer):
    """Lists no pods to whom it knows: by token, or by certificate of a trusted authority.

    `seen` has the user of each request, None for a stranger.
    """

    def __init__(
        self,
        library: ApiServer,
        issuer: str,
        audience: str,
        keys: Sequence[Mapping[str, Any]],
        tls: ssl.SSLContext,
    ) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.socket = tls.wrap_socket(self.socket, server_side=True)
        self.seen: list[str | None] = []
        self._library = library
        self._keys = keys
        self._configuration = {
            "apiVersion": "apiserver.config.k8s.io/v1",
            "kind": "AuthenticationConfiguration",
            "jwt": [
                {
                    "issuer": {"url": issuer, "audiences": [audience]},
                    "claimMappings": {"username": {"claim": "sub", "prefix": ""}},
                }
            ],
        }

    @property
    def url(self) -> str:
        return f"https://127.0.0.1:{self.server_port}"

    def user_of(self, token: str) -> str | None:
        [answer] = self._library.judge([Question(self._configuration, [token])], self._keys)
        assert not answer.problem, answer.problem
        [user] = answer.users
        return user["username"] if user["accepted"] else None


class _Handler(BaseHTTPRequestHandler):
    server: KubernetesCluster

    def do_GET(self) -> None:
        user = self._user()
        self.server.seen.append(user)
        if user is None:
            self._answer(401, {"kind": "Status", "apiVersion": "v1", "reason": "Unauthorized"})
        elif not self.path.startswith(PODS):
            self._answer(404, {"kind": "Status", "apiVersion": "v1", "reason": "NotFound"})
        else:
            self._answer(200, {"kind": "PodList", "apiVersion": "v1", "metadata": {}, "items": []})

    def _user(self) -> str | None:
        connection = self.connection
        assert isinstance(connection, ssl.SSLSocket)
        if shown := connection.getpeercert():
            names: Any = shown["subjectAltName"]
            return str(dict(names)["URI"])
        scheme, _, token = self.headers.get("Authorization", "").partition(" ")
        return self.server.user_of(token) if scheme == "Bearer" else None

    def _answer(self, status: int, content: Mapping[str, Any]) -> None:
        body = json.dumps(content).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *_: object) -> None:  # noqa: A002
        pass


def server_tls(ca: PrivateCa, clients_pem: str) -> ssl.SSLContext:
    """A server below `ca` that asks for certificates below `clients_pem`, and does without."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(ca.certificate, ca.key)
    context.verify_mode = ssl.CERT_OPTIONAL
    context.load_verify_locations(cadata=clients_pem)
    return context


@contextmanager
def serving(cluster: KubernetesCluster) -> Iterator[KubernetesCluster]:
    with cluster:
        thread = threading.Thread(target=cluster.serve_forever)
        thread.start()
        try:
            yield cluster
        finally:
            cluster.shutdown()
            thread.join()
