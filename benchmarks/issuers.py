"""The two issuers under comparison, as the processes that an operator starts."""

from __future__ import annotations

import json
import shutil
import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from benchmarks.child import daemon, until
from benchmarks.http_client import is_served
from benchmarks.sandbox_agent import TRUST_DOMAIN

PROVIDER = "oidc-discovery-provider"
JWKS_PATH = "/keys"

_START_SECONDS = 20.0


@contextmanager
def bridge(agent: str, folder: Path) -> Iterator[int]:
    """`spire-bridge serve` over the agent at that address; yields the port of its JWK set."""
    port, health = free_port(), free_port()
    settings = {
        "trust_domain": TRUST_DOMAIN,
        "issuer": {"url": f"http://127.0.0.1:{port}"},
        "listen": {"address": f"127.0.0.1:{port}"},
        "health": {"address": f"127.0.0.1:{health}"},
        "sources": [{"name": "east", "workload_api": {"address": agent}}],
    }
    config = folder / "issuer.yaml"
    config.write_text(json.dumps(settings))  # JSON is YAML
    command = [sys.executable, "-m", "spire_bridge", "serve", "--config", str(config)]
    with daemon(command, folder / "issuer.log"):
        _until_served(port)
        yield port


@contextmanager
def provider(agent: str, folder: Path) -> Iterator[int]:
    """SPIRE's provider over the same agent; yields the port of its JWK set."""
    program = shutil.which(PROVIDER)
    assert program is not None
    port = free_port()
    config = folder / "provider.conf"
    config.write_text(
        f"""
        log_level = "ERROR"
        domains = ["127.0.0.1", "localhost"]
        insecure_addr = "127.0.0.1:{port}"
        allow_insecure_scheme = true
        workload_api {{
            socket_path = "{agent.removeprefix("unix://")}"
            trust_domain = "{TRUST_DOMAIN}"
            poll_interval = "1s"
        }}
        """
    )
    with daemon([program, "-config", config], folder / "provider.log"):
        _until_served(port)
        yield port


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _until_served(port: int) -> None:
    url = f"http://127.0.0.1:{port}{JWKS_PATH}"
    until(lambda: is_served(url), within_seconds=_START_SECONDS, what=f"a JWK set at {url}")
