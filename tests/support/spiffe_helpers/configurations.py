"""Configurations of spiffe-helper, from a seed: the same in every run."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any

X509 = {
    "svid_file_name": "svid.pem",
    "svid_key_file_name": "key.pem",
    "svid_bundle_file_name": "bundle.pem",
}
BUNDLE = {"jwt_bundle_file_name": "bundle.json"}
TOKEN = {
    "jwt_svids": [
        {"jwt_audience": "one", "jwt_svid_file_name": "one.jwt"},
        {"jwt_audience": "two", "jwt_svid_file_name": "sub.two"},
    ]
}


@dataclass(frozen=True)
class Configuration:
    """The options of one run, the umask of it, and what is there before."""

    options: dict[str, Any]
    umask: int
    present_mode: int | None

    def text(self, agent: Path, folder: Path) -> str:
        """`folder` is where the files go."""
        return written({"agent_address": str(agent), "cert_dir": str(folder), **self.options})


def written(options: dict[str, Any]) -> str:
    """HCL; a mode is one if it begins with a zero."""
    return "".join(_line(name, value) for name, value in options.items())


def configurations(count: int, seed: int = 6) -> Iterator[Configuration]:
    random = Random(seed)
    files = ({**X509, **BUNDLE, **TOKEN}, X509, {**X509, **TOKEN}, BUNDLE, TOKEN)
    for number in range(count):
        options: dict[str, Any] = dict(files[number % len(files)])
        for name, values in _OPTIONS.items():
            if (value := random.choice(values)) is not None:
                options[name] = value
        umask = random.choice((0o022, 0o077, 0o002, 0o027, 0))
        yield Configuration(options, umask, random.choice((None, None, 0o640, 0o666)))


_OPTIONS: dict[str, tuple[Any, ...]] = {
    "add_intermediates_to_bundle": (None, True, False),
    "include_federated_domains": (None, True, True),
    "omit_expired": (None, True, False),
    "hint": (None, None, "second"),
    "cert_file_mode": (None, "0640", "0444", 384, "0x1ff"),
    "key_file_mode": (None, "0640", '"0400"', 0),
    "jwt_bundle_file_mode": (None, "0644", "01777"),
    "jwt_svid_file_mode": (None, "0604"),
}


def _line(name: str, value: Any) -> str:
    if isinstance(value, str) and not name.endswith("_mode"):
        return f"{name} = {json.dumps(value)}\n"
    if name == "jwt_svids":
        return f"{name} = [{', '.join(_token(token) for token in value)}]\n"
    if isinstance(value, dict):
        inside = "".join(_line(*item) for item in value.items())
        return f"{name} {{\n{inside}}}\n"
    return f"{name} = {value if isinstance(value, str) else json.dumps(value)}\n"


def _token(options: dict[str, Any]) -> str:
    members = ", ".join(f"{name} = {json.dumps(value)}" for name, value in options.items())
    return f"{{ {members} }}"
