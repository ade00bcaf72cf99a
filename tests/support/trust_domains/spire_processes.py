"""SPIRE's server and agent as child processes: found, configured, started and ended."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from child_process import Daemon, free_port

CALL_SECONDS = 30.0

# Often in place of each five seconds: what the tests wait for is the server's poll of its
# database and then the agent's poll of the server. Nor does an agent wait for its turn to
# attest, which would come once a second for all that are on one address.
_SERVER_CONFIG = """
server {{
    bind_address = "127.0.0.1"
    bind_port = "{port}"
    socket_path = "{socket}"
    trust_domain = "{trust_domain}"
    data_dir = "{data}"
    log_level = "DEBUG"
    jwt_issuer = "{issuer}"
    jwt_key_type = "rsa-2048"
    ratelimit {{
        attestation = false
    }}
    experimental {{
        cache_reload_interval = "250ms"
    }}
}}
plugins {{
    DataStore "sql" {{
        plugin_data {{
            database_type = "sqlite3"
            connection_string = "{data}/datastore.sqlite3"
        }}
    }}
    NodeAttestor "join_token" {{
        plugin_data {{}}
    }}
    KeyManager "disk" {{
        plugin_data {{
            keys_path = "{data}/keys.json"
        }}
    }}
}}
"""

# The key is kept on disk because a join token attests once: only an agent that still has
# its key may come back after a restart.
_AGENT_CONFIG = """
agent {{
    data_dir = "{data}"
    log_level = "DEBUG"
    server_address = "127.0.0.1"
    server_port = "{port}"
    socket_path = "{socket}"
    insecure_bootstrap = true
    trust_domain = "{trust_domain}"
    join_token = "{join_token}"
    experimental {{
        sync_interval = "250ms"
    }}
}}
plugins {{
    NodeAttestor "join_token" {{
        plugin_data {{}}
    }}
    KeyManager "disk" {{
        plugin_data {{
            directory = "{data}"
        }}
    }}
    WorkloadAttestor "unix" {{
        plugin_data {{}}
    }}
}}
"""


class SpireFailed(Exception):
    """A command of SPIRE's CLI failed."""


@dataclass(frozen=True, slots=True)
class SpireBinaries:
    """Where SPIRE's two programs are."""

    server: Path
    agent: Path

    @classmethod
    def locate(cls, environment: Mapping[str, str] = os.environ) -> Self | None:
        """Looks in `SPIRE_BIN_DIR`, then on PATH; None unless both are found."""
        folders = (environment.get("SPIRE_BIN_DIR"), environment.get("PATH"))
        search = os.pathsep.join(filter(None, folders))
        server = shutil.which("spire-server", path=search)
        agent = shutil.which("spire-agent", path=search)
        return cls(Path(server), Path(agent)) if server and agent else None

    def version(self) -> str:
        answer = subprocess.run(
            [self.server, "--version"], capture_output=True, text=True, timeout=CALL_SECONDS
        )
        return (answer.stdout + answer.stderr).strip()


class SpireServer:
    """A SPIRE server with a database, a port on loopback and a socket of its own.

    `folder` takes the data and the sockets, so its path is short; `logs` takes the logs.
    """

    def __init__(
        self, binaries: SpireBinaries, folder: Path, logs: Path, *, trust_domain: str, issuer: str
    ) -> None:
        self.binaries = binaries
        self.folder = folder
        self.logs = logs
        self.trust_domain = trust_domain
        self.issuer = issuer
        self.port = free_port()
        self._socket = folder / "server.sock"
        config = folder / "server.conf"
        config.write_text(
            _SERVER_CONFIG.format(
                port=self.port,
                socket=self._socket,
                trust_domain=trust_domain,
                data=folder,
                issuer=issuer,
            )
        )
        self._daemon = Daemon([binaries.server, "run", "-config", config], logs / "server.log")

    @property
    def address(self) -> str:
        return f"unix://{self._socket}"

    @property
    def tls_address(self) -> str:
        return f"tls://127.0.0.1:{self.port}"

    def start(self) -> None:
        self._daemon.start(lambda: is_healthy(self.binaries.server, self._socket))

    def stop(self) -> None:
        self._daemon.stop()

    def call(self, *arguments: str) -> dict[str, Any]:
        """Runs a command of `spire-server`, such as `entry create`; returns its JSON answer."""
        answered: dict[str, Any] = json.loads(self.print(*arguments, "-output", "json"))
        return answered

    def print(self, *arguments: str) -> str:
        """Runs a command of `spire-server`; returns what it prints."""
        answer = subprocess.run(
            [self.binaries.server, *arguments, "-socketPath", self._socket],
            capture_output=True,
            text=True,
            timeout=CALL_SECONDS,
        )
        if answer.returncode != 0:
            raise SpireFailed(f"spire-server {' '.join(arguments)}: {answer.stdout}{answer.stderr}")
        return answer.stdout


class SpireAgent:
    """A SPIRE agent that is attested by join token, with a data directory and socket of its own."""

    def __init__(self, server: SpireServer, name: str) -> None:
        self._binary = server.binaries.agent
        folder = server.folder / name
        folder.mkdir()
        self.socket = folder / "agent.sock"
        token = server.call("token", "generate")["value"]
        self.spiffe_id = f"spiffe://{server.trust_domain}/spire/agent/join_token/{token}"
        config = folder / "agent.conf"
        config.write_text(
            _AGENT_CONFIG.format(
                data=folder,
                port=server.port,
                socket=self.socket,
                trust_domain=server.trust_domain,
                join_token=token,
            )
        )
        self._daemon = Daemon([self._binary, "run", "-config", config], server.logs / f"{name}.log")

    def start(self) -> None:
        self._daemon.start(lambda: is_healthy(self._binary, self.socket))

    def stop(self) -> None:
        self._daemon.stop()

    def kill(self) -> None:
        self._daemon.kill()


def is_healthy(program: Path, socket_path: Path) -> bool:
    """What the program's own `healthcheck` command says of the process behind the socket."""
    if not socket_path.exists():
        return False
    answer = subprocess.run(
        [program, "healthcheck", "-socketPath", socket_path],
        capture_output=True,
        timeout=CALL_SECONDS,
    )
    return answer.returncode == 0
