"""The configuration file of SPIFFE's spiffe-helper, read as that program reads it.

Every option of its documentation is here; checks come in its order and with its messages.
"""

from __future__ import annotations

import os
import posixpath
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from spire_bridge.config.hcl import InvalidHcl, Section, parse_hcl
from spire_bridge.errors import BridgeError
from spire_bridge.files.reading import read_limited
from spire_bridge.workload.address import SOCKET_VARIABLE, EndpointAddress

DEFAULT_AGENT_ADDRESS = "/tmp/spire-agent/public/api.sock"  # noqa: S108 - the reference's
DEFAULT_HEALTH_PORT = 8081
_MAX_FILE_BYTES = 1024 * 1024

_X509_FILES = ("svid_file_name", "svid_key_file_name", "svid_bundle_file_name")
_MODES = {
    "cert_file_mode": 0o644,
    "key_file_mode": 0o600,
    "jwt_bundle_file_mode": 0o600,
    "jwt_svid_file_mode": 0o600,
}
_TEXTS = (
    *_X509_FILES,
    "agent_address",
    "cert_dir",
    "cmd",
    "cmd_args",
    "hint",
    "jwt_bundle_file_name",
    "pid_file_name",
    "renew_signal",
)
_FLAGS = ("add_intermediates_to_bundle", "daemon_mode", "include_federated_domains", "omit_expired")
OPTIONS = frozenset({*_TEXTS, *_FLAGS, *_MODES, "health_checks", "jwt_svids"})
_JWT_OPTIONS = frozenset({"jwt_audience", "jwt_extra_audiences", "jwt_svid_file_name"})


@dataclass(frozen=True, slots=True)
class X509Files:
    """Where the certificates, the key and the bundle go, and what stands in them."""

    certificates: str
    key: str
    bundle: str
    intermediates_in_bundle: bool
    federated: bool
    omit_expired: bool


@dataclass(frozen=True, slots=True)
class JwtFile:
    """Where a JWT-SVID goes, and whom it is for."""

    path: str
    audience: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Modes:
    """The permission bits of new files."""

    certificates: int
    key: int
    jwt_bundle: int
    jwt_svid: int


@dataclass(frozen=True, slots=True)
class HealthChecks:
    port: int
    live_path: str
    ready_path: str


@dataclass(frozen=True, slots=True)
class HelperConfig:
    """The reference's configuration, checked; empty strings are what is not set.

    Paths are as the reference joins them, relative ones to the working directory.
    `agent_address` is a URI. `warnings` are what is set and has no effect.
    """

    agent_address: str
    daemon: bool
    hint: str
    x509: X509Files | None
    jwt_svids: tuple[JwtFile, ...]
    jwt_bundle: str
    modes: Modes
    cmd: str
    cmd_args: str
    renew_signal: str
    pid_file: str
    health_checks: HealthChecks | None
    warnings: tuple[str, ...]


def load_helper_config(path: Path, *, daemon: bool | None = None) -> HelperConfig:
    """Reads the file. Raises `InvalidHcl`, or `FileFailure` if it can't be read.

    `daemon` is what the command line says, if it does: it comes before the file.
    """
    try:
        text = read_limited(path, max_bytes=_MAX_FILE_BYTES).decode("utf-8")
    except UnicodeDecodeError:
        raise InvalidHcl(f"unable to decode configuration: {path} is not UTF-8 text") from None
    return parse_helper_config(text, name=str(path), daemon=daemon)


def parse_helper_config(
    text: str,
    *,
    name: str,
    daemon: bool | None = None,
    environment: Mapping[str, str] = os.environ,
) -> HelperConfig:
    """Reads the text of such a file. Raises `InvalidHcl`."""
    root = parse_hcl(text, name=name)
    tokens = root.sections("jwt_svids")
    health = root.section("health_checks") or Section("health_checks", {})
    _check_types(root, tokens, health)
    _check_names(root, tokens)
    if daemon is None:
        daemon = root.flag("daemon_mode") if "daemon_mode" in root.values else True
    folder = root.text("cert_dir")
    jwt_svids = tuple(_jwt_file(section, folder) for section in tokens)
    _check_pid_file(root, daemon)
    x509 = _x509_files(root, folder)
    jwt_bundle = root.text("jwt_bundle_file_name")
    if x509 is None and not jwt_svids and not jwt_bundle:
        raise InvalidHcl(
            "at least one of the sets ('svid_file_name', 'svid_key_file_name',"
            " 'svid_bundle_file_name'), 'jwt_svids', or 'jwt_bundle_file_name' must be fully"
            " specified"
        )
    return HelperConfig(
        daemon=daemon,
        hint=root.text("hint"),
        x509=x509,
        jwt_svids=jwt_svids,
        jwt_bundle=go_join(folder, jwt_bundle) if jwt_bundle else "",
        modes=Modes(*(_mode(root, option) for option in _MODES)),
        cmd=root.text("cmd"),
        cmd_args=root.text("cmd_args"),
        renew_signal=root.text("renew_signal"),
        pid_file=root.text("pid_file_name"),
        health_checks=_health_checks(health),
        agent_address=_agent_address(root.text("agent_address"), environment),
        warnings=() if daemon else _without_effect(root),
    )


def go_join(folder: str, name: str) -> str:
    """The two as one clean path, `name` below `folder` even if it begins with a slash."""
    joined = posixpath.normpath("/".join(filter(None, (folder, name))))
    return re.sub("^/+", "/", joined)


def _check_types(root: Section, tokens: tuple[Section, ...], health: Section) -> None:
    """The reference decodes all of it before it checks any."""
    for option in _TEXTS:
        root.text(option)
    for option in _FLAGS:
        root.flag(option)
    for option in _MODES:
        root.integer(option)
    for section in tokens:
        section.text("jwt_audience")
        section.text("jwt_svid_file_name")
        section.texts("jwt_extra_audiences")
    health.flag("listener_enabled")
    health.integer("bind_port")
    health.text("liveness_path")
    health.text("readiness_path")


def _check_names(root: Section, tokens: tuple[Section, ...]) -> None:
    """Names in quotes, and so all of JSON, are not looked at."""
    if unknown := _unknown(root, OPTIONS):
        raise InvalidHcl(f"unknown top level key(s): {unknown}")
    for section in tokens:
        if unknown := _unknown(section, _JWT_OPTIONS):
            raise InvalidHcl(f"unknown key(s) in {section.name}: {unknown}")


def _unknown(section: Section, known: frozenset[str]) -> str:
    return ",".join(sorted(name for name in section.bare if name.lower() not in known))


def _jwt_file(section: Section, folder: str) -> JwtFile:
    name, audience = section.text("jwt_svid_file_name"), section.text("jwt_audience")
    if not name:  # the reference calls the option by this name, which it does not have
        raise InvalidHcl("'jwt_file_name' is required in 'jwt_svids'", hint="jwt_svid_file_name")
    if not audience:
        raise InvalidHcl("'jwt_audience' is required in 'jwt_svids'")
    return JwtFile(go_join(folder, name), (audience, *section.texts("jwt_extra_audiences")))


def _check_pid_file(root: Section, daemon: bool) -> None:
    if root.text("pid_file_name") and not daemon:
        raise InvalidHcl(
            "pid_file_name is set but daemon_mode is false."
            " pid_file_name is only supported in daemon_mode"
        )
    if root.text("pid_file_name") and not root.text("renew_signal"):
        raise InvalidHcl("must specify renew_signal when using pid_file_name")


def _x509_files(root: Section, folder: str) -> X509Files | None:
    names = [root.text(option) for option in _X509_FILES]
    if not any(names):
        return None
    if not all(names):
        raise InvalidHcl(
            "all or none of 'svid_file_name', 'svid_key_file_name', 'svid_bundle_file_name'"
            " must be specified"
        )
    certificates, key, bundle = (go_join(folder, name) for name in names)
    return X509Files(
        certificates,
        key,
        bundle,
        root.flag("add_intermediates_to_bundle"),
        root.flag("include_federated_domains"),
        root.flag("omit_expired"),
    )


def _mode(root: Section, option: str) -> int:
    """Only permission bits count: set-id bits are others in Go."""
    mode = root.integer(option)
    if mode < 0:
        raise InvalidHcl(f"{option.replace('_', ' ')} must be positive")
    return (mode or _MODES[option]) & 0o777


def _health_checks(section: Section) -> HealthChecks | None:
    if not section.flag("listener_enabled"):
        return None
    if (port := section.integer("bind_port")) < 0:
        raise InvalidHcl("bind port must be positive")
    checks = HealthChecks(
        port or DEFAULT_HEALTH_PORT,
        section.text("liveness_path") or "/live",
        section.text("readiness_path") or "/ready",
    )
    for path in (checks.live_path, checks.ready_path):
        if not path.startswith("/") or " " in path:
            raise InvalidHcl(f"health check path {path!r} has to start with '/', without blanks")
    if checks.live_path == checks.ready_path:
        raise InvalidHcl("liveness_path and readiness_path must differ")
    return checks


def _agent_address(text: str, environment: Mapping[str, str]) -> str:
    """A path is what the reference takes, percent-encoded or not; the standard has a URI."""
    found = text or environment.get(SOCKET_VARIABLE) or DEFAULT_AGENT_ADDRESS
    if not found.startswith(("unix:", "tcp:")):
        found = f"unix://{quote(str(Path(found).absolute()), safe='/%?#')}"
    try:
        return EndpointAddress.parse(found).uri
    except BridgeError as error:
        raise InvalidHcl(f"agent_address: {error.message}", hint=error.hint) from None


def _without_effect(root: Section) -> tuple[str, ...]:
    return tuple(
        f"{option} is set but daemon_mode is false. {option} will be ignored."
        for option in ("cmd", "renew_signal")
        if root.text(option)
    )
