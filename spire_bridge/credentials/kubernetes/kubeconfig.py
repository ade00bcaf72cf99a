"""A kubeconfig whose user is the workload: it holds no secret, and names our exec plugin. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import yaml

from spire_bridge.credentials.kubernetes.errors import InvalidKubeconfig
from spire_bridge.credentials.kubernetes.exec_info import API_GROUP, API_VERSION, AUDIENCE


@dataclass(frozen=True, slots=True)
class Kubeconfig:
    """One cluster, one user, one context, all three called `name`.

    `command` and its `arguments` are what clients run for a credential. An empty `audience` is
    the server's URL. Without a `certificate_authority` the system's are trusted.
    """

    server: str
    command: str
    arguments: Sequence[str]
    certificate_authority: Path | None = None
    audience: str = ""
    name: str = "spire"
    namespace: str = ""

    def __post_init__(self) -> None:
        try:
            parts = urlsplit(self.server)
            valid = parts.scheme == "https" and parts.hostname and parts.port != 0
        except ValueError:
            valid = False
        if not valid:
            raise InvalidKubeconfig(
                "the API server is no https URL", hint="https://kubernetes.example:6443"
            )

    def __call__(self) -> bytes:
        """The file, in YAML."""
        document = {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": self.name, "cluster": self._cluster()}],
            "users": [{"name": self.name, "user": {"exec": self._exec()}}],
            "contexts": [{"name": self.name, "context": self._context()}],
            "current-context": self.name,
        }
        return yaml.safe_dump(document, sort_keys=False).encode()

    def _cluster(self) -> dict[str, Any]:
        cluster: dict[str, Any] = {"server": self.server}
        if self.certificate_authority is not None:
            cluster["certificate-authority"] = str(self.certificate_authority.absolute())
        if self.audience:
            extension = {"name": f"{API_GROUP}/exec", "extension": {AUDIENCE: self.audience}}
            cluster["extensions"] = [extension]
        return cluster

    def _exec(self) -> dict[str, Any]:
        return {
            "apiVersion": API_VERSION,
            "command": self.command,
            "args": list(self.arguments),
            "interactiveMode": "Never",
            "provideClusterInfo": True,
            "installHint": "spire-bridge is not on PATH here.",
        }

    def _context(self) -> dict[str, str]:
        context = {"cluster": self.name, "user": self.name}
        return {**context, "namespace": self.namespace} if self.namespace else context
