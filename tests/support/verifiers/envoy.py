"""Envoy, whose jwt_authn filter guards a listener that answers 200 to whoever comes through."""

from __future__ import annotations

import json
import os
import socket
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from child_process import LOOPBACK, Daemon, free_port

from verifiers.http_json import DIRECT
from verifiers.peer import Reasons, Trusted, Verdict

TIMEOUT_SECONDS = 10.0
_EXTENSIONS = "type.googleapis.com/envoy.extensions"


@dataclass(frozen=True, slots=True)
class Envoy:
    program: Path
    refetches: bool = False  # not before the keys' time in its cache is over

    @property
    def reasons(self) -> Reasons:
        return Reasons(
            audience="Audiences in Jwt are not allowed",
            subject="Jwt verification fails",
            issuer="Jwt issuer is not configured",
            expired="Jwt is expired",
            forgery="Jwt verification fails|Jwks doesn't have key|Jwt is not in the form",
        )

    @contextmanager
    def trusting(self, trusted: Trusted, folder: Path) -> Iterator[GuardedListener]:
        port = free_port()
        config = folder / "envoy.json"
        config.write_text(json.dumps(_bootstrap(trusted, port)))
        arguments: list[str | Path]
        arguments = ["-c", config, "--concurrency", "1", "--disable-hot-restart", "-l", "warning"]
        environment = {"PATH": os.defpath, "HOME": str(folder)}
        daemon = Daemon([self.program, *arguments], folder / "envoy.log", environment)
        daemon.start(lambda: _listens(port))
        try:
            yield GuardedListener(f"http://{LOOPBACK}:{port}/")
        finally:
            daemon.stop()


@dataclass(frozen=True, slots=True)
class GuardedListener:
    url: str

    def judge(self, token: str) -> Verdict:
        request = urllib.request.Request(self.url, headers={"Authorization": f"Bearer {token}"})
        try:
            with DIRECT.open(request, timeout=TIMEOUT_SECONDS):
                return Verdict(accepted=True)
        except urllib.error.HTTPError as refusal:
            with refusal:
                if refusal.code not in {401, 403}:
                    raise
                return Verdict(accepted=False, reason=refusal.read().decode())


def _bootstrap(trusted: Trusted, port: int) -> dict[str, Any]:
    provider = {
        "issuer": trusted.issuer,
        "audiences": [trusted.audience],
        "subjects": {"exact": trusted.subject},
        "clock_skew_seconds": 1,  # 0 would be a minute
        "remote_jwks": {
            "http_uri": {"uri": trusted.jwks_uri, "cluster": "issuer", "timeout": "5s"},
            "cache_duration": "300s",
        },
    }
    filters = [
        _typed(
            "envoy.filters.http.jwt_authn",
            "filters.http.jwt_authn.v3.JwtAuthentication",
            providers={"issuer": provider},
            rules=[{"match": {"prefix": "/"}, "requires": {"provider_name": "issuer"}}],
        ),
        _typed("envoy.filters.http.router", "filters.http.router.v3.Router"),
    ]
    route = {"match": {"prefix": "/"}, "direct_response": {"status": 200}}
    connections = _typed(
        "envoy.filters.network.http_connection_manager",
        "filters.network.http_connection_manager.v3.HttpConnectionManager",
        stat_prefix="guarded",
        route_config={"virtual_hosts": [{"name": "all", "domains": ["*"], "routes": [route]}]},
        http_filters=filters,
    )
    listener = {
        "name": "guarded",
        "address": _address(LOOPBACK, port),
        "filter_chains": [{"filters": [connections]}],
    }
    return {"static_resources": {"listeners": [listener], "clusters": [_cluster(trusted)]}}


def _cluster(trusted: Trusted) -> dict[str, Any]:
    """Where the issuer is, and how its certificate is checked."""
    place = urlsplit(trusted.jwks_uri)
    endpoint = {"endpoint": {"address": _address(place.hostname, place.port)}}
    name = {"san_type": "IP_ADDRESS", "matcher": {"exact": place.hostname}}
    validation = {
        "trusted_ca": {"filename": str(trusted.ca)},
        "match_typed_subject_alt_names": [name],
    }
    return {
        "name": "issuer",
        "type": "STATIC",
        "load_assignment": {
            "cluster_name": "issuer",
            "endpoints": [{"lb_endpoints": [endpoint]}],
        },
        "transport_socket": _typed(
            "envoy.transport_sockets.tls",
            "transport_sockets.tls.v3.UpstreamTlsContext",
            common_tls_context={"validation_context": validation},
        ),
    }


def _typed(name: str, kind: str, **config: Any) -> dict[str, Any]:
    return {"name": name, "typed_config": {"@type": f"{_EXTENSIONS}.{kind}", **config}}


def _address(host: str | None, port: int | None) -> dict[str, Any]:
    return {"socket_address": {"address": host, "port_value": port}}


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex((LOOPBACK, port)) == 0
