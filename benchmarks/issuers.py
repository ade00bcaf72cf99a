"""The two issuers under comparison, as the processes that an operator starts."""

from __future__ import annotations

import json
import shutil
import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from benchmarks.certificate import Certificate
from benchmarks.child import daemon, until
from benchmarks.http_client import get
from benchmarks.sandbox_agent import TRUST_DOMAIN

PROVIDER = "oidc-discovery-provider"
JWKS_PATH = "/keys"
DISCOVERY_PATH = "/.well-known/openid-configuration"

_START_SECONDS = 20.0


@dataclass(frozen=True, slots=True)
class Served:
    """A running issuer: its process, its port on loopback, and whether it speaks TLS."""

    pid: int
    port: int
    tls: bool = False

    def url(self, path: str) -> str:
        return f"http{'s' if self.tls else ''}://127.0.0.1:{self.port}{path}"

    def key_ids(self, path: str = JWKS_PATH) -> set[str]:
        """The keys that it serves. Raises `OSError` while it serves none."""
        return {key["kid"] for key in json.loads(get(self.url(path)))["keys"]}


@contextmanager
def bridge(
    agent: str, folder: Path, *, tls: Certificate | None = None, issuers: int = 1
) -> Iterator[Served]:
    """`spire-bridge serve` over the agent at that address, as one issuer or as several.

    The documents of the first hang below the root, those of the others below /2, /3 …
    """
    port, health = free_port(), free_port()
    url = f"http://127.0.0.1:{port}"
    blocks = [
        {
            "name": f"issuer-{number}",
            "trust_domain": TRUST_DOMAIN,
            "issuer": {"url": url if number == 1 else f"{url}/{number}"},
            "sources": [{"name": "east", "workload_api": {"address": agent}}],
        }
        for number in range(1, issuers + 1)
    ]
    listen: dict[str, object] = {"address": f"127.0.0.1:{port}"}
    if tls is not None:
        listen["tls"] = {"certificate": str(tls.certificate), "key": str(tls.key)}
    settings = {
        "issuers": blocks,
        "listen": listen,
        "health": {"address": f"127.0.0.1:{health}"},
    }
    config = folder / "issuer.yaml"
    config.write_text(json.dumps(settings))  # JSON is YAML
    command = [sys.executable, "-m", "spire_bridge", "serve", "--config", str(config)]
    with daemon(command, folder / "issuer.log") as process:
        served = Served(process.pid, port, tls is not None)
        _until_served(served)
        for number in range(2, issuers + 1):
            _until_served(served, f"/{number}{JWKS_PATH}")
        yield served


@contextmanager
def provider(agent: str, folder: Path, *, tls: Certificate | None = None) -> Iterator[Served]:
    """SPIRE's provider over the same agent."""
    program = shutil.which(PROVIDER)
    assert program is not None
    port = free_port()
    address = f"127.0.0.1:{port}"
    listener = f'insecure_addr = "{address}"'
    if tls is not None:
        listener = f"""
        serving_cert_file {{
            cert_file_path = "{tls.certificate}"
            key_file_path = "{tls.key}"
            addr = "{address}"
        }}"""
    config = folder / "provider.conf"
    config.write_text(
        f"""
        log_level = "ERROR"
        domains = ["127.0.0.1", "localhost"]
        {listener}
        allow_insecure_scheme = true
        workload_api {{
            socket_path = "{agent.removeprefix("unix://")}"
            trust_domain = "{TRUST_DOMAIN}"
            poll_interval = "1s"
        }}
        """
    )
    with daemon([program, "-config", config], folder / "provider.log") as process:
        served = Served(process.pid, port, tls is not None)
        _until_served(served)
        yield served


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _until_served(served: Served, path: str = JWKS_PATH) -> None:
    def is_served() -> bool:
        try:
            return bool(served.key_ids(path))
        except OSError:
            return False

    what = f"a JWK set at {served.url(path)}"
    until(is_served, within_seconds=_START_SECONDS, what=what)
