"""The configuration file of SPIRE's oidc-discovery-provider, read as that program reads it.

Every option of its documentation is here; the messages are its own, so that what an
operator has seen before means the same. Unknown options are ignored, as there.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from spire_bridge.config.hcl import InvalidHcl, Section, expand_environment, parse_hcl
from spire_bridge.files.reading import read_limited

DEFAULT_POLL_SECONDS = 10.0
DEFAULT_FILE_SYNC_SECONDS = 60.0
DEFAULT_HEALTH_PORT = 8008
_MAX_FILE_BYTES = 1024 * 1024

_BAD_ESCAPE = re.compile(r"%(?![0-9A-Fa-f]{2})")

_SECTIONS = ("acme", "serving_cert_file", "server_api", "workload_api", "file", "health_checks")
OPTIONS = frozenset(
    {
        *_SECTIONS,
        "allow_insecure_scheme",
        "domains",
        "experimental",
        "insecure_addr",
        "jwks_uri",
        "jwt_issuer",
        "listen_socket_path",
        "log_format",
        "log_level",
        "log_path",
        "log_requests",
        "server_path_prefix",
        "set_key_use",
    }
)


@dataclass(frozen=True, slots=True)
class ServingCertFile:
    """A certificate and key on disk, looked at again every `sync_seconds`."""

    cert_path: str
    key_path: str
    address: str
    sync_seconds: float


@dataclass(frozen=True, slots=True)
class Acme:
    """How to obtain a certificate; an empty `cache_dir` keeps none."""

    directory_url: str
    email: str
    cache_dir: str


@dataclass(frozen=True, slots=True)
class KeySource:
    """Where the keys come from: `server_api`, `workload_api` or `file`, at `address`."""

    kind: str
    address: str
    poll_seconds: float
    trust_domain: str = ""


@dataclass(frozen=True, slots=True)
class HealthChecks:
    port: int
    ready_path: str
    live_path: str


@dataclass(frozen=True, slots=True)
class OdpConfig:
    """The reference's configuration, checked; empty strings are what is not set."""

    domains: tuple[str, ...]
    source: KeySource
    jwt_issuer: str
    jwks_uri: str
    server_path_prefix: str
    set_key_use: bool
    allow_insecure_scheme: bool
    insecure_addr: str
    listen_socket_path: str
    serving_cert_file: ServingCertFile | None
    acme: Acme | None
    health_checks: HealthChecks | None
    log_format: str
    log_level: str
    log_path: str
    log_requests: bool
    ignored: tuple[str, ...]


def load_odp_config(path: Path, *, expand_env: bool) -> OdpConfig:
    """Reads the file. Raises `InvalidHcl`, or `FileFailure` if it can't be read."""
    try:
        text = read_limited(path, max_bytes=_MAX_FILE_BYTES).decode("utf-8")
    except UnicodeDecodeError:
        raise InvalidHcl(f"unable to load configuration: {path} is not UTF-8 text") from None
    return parse_odp_config(expand_environment(text) if expand_env else text, name=str(path))


def parse_odp_config(text: str, *, name: str) -> OdpConfig:
    """Reads the text of such a file; checks come in the reference's order."""
    root = parse_hcl(text, name=name)
    sections = {key: root.section(key) for key in _SECTIONS}
    domains = tuple(dict.fromkeys(root.texts("domains")))
    if not domains:
        raise InvalidHcl("at least one domain must be configured")
    acme = _acme(sections["acme"], root.text("insecure_addr"))
    serving = _serving_cert_file(sections["serving_cert_file"])
    sources = _sources(sections)
    health = _health_checks(sections["health_checks"])
    _refuse_windows_options(root, sections)
    _check_listeners(root, acme, serving)
    _check_source_addresses(sources)
    if len(sources) != 1:
        raise InvalidHcl(
            "the server_api, workload_api, and file sections are mutually exclusive"
            if sources
            else "exactly one of the server_api, workload_api, or file sections must be configured"
        )
    return OdpConfig(
        domains=domains,
        source=sources[0],
        jwt_issuer=_issuer(root.text("jwt_issuer")),
        jwks_uri=_jwks_uri(root.text("jwks_uri")),
        server_path_prefix=root.text("server_path_prefix"),
        set_key_use=root.flag("set_key_use"),
        allow_insecure_scheme=root.flag("allow_insecure_scheme"),
        insecure_addr=root.text("insecure_addr"),
        listen_socket_path=root.text("listen_socket_path"),
        serving_cert_file=serving,
        acme=acme,
        health_checks=health,
        log_format=root.text("log_format"),
        log_level=root.text("log_level") or "info",
        log_path=root.text("log_path"),
        log_requests=root.flag("log_requests"),
        ignored=root.unknown(OPTIONS),
    )


def _acme(section: Section | None, insecure_addr: str) -> Acme | None:
    if section is None:
        return None
    if insecure_addr:
        raise InvalidHcl("insecure_addr and the acme section are mutually exclusive")
    if not section.flag("tos_accepted"):
        raise InvalidHcl("tos_accepted must be set to true in the acme configuration section")
    if not section.text("email"):
        raise InvalidHcl("email must be configured in the acme configuration section")
    cache_dir = section.text("cache_dir") if "cache_dir" in section.values else "./.acme-cache"
    return Acme(section.text("directory_url"), section.text("email"), cache_dir)


def _serving_cert_file(section: Section | None) -> ServingCertFile | None:
    if section is None:
        return None
    for key in ("cert_file_path", "key_file_path"):
        if not section.text(key):
            raise InvalidHcl(
                f"{key} must be configured in the serving_cert_file configuration section"
            )
    return ServingCertFile(
        section.text("cert_file_path"),
        section.text("key_file_path"),
        section.text("addr") or ":443",
        section.seconds("file_sync_interval", DEFAULT_FILE_SYNC_SECONDS),
    )


def _sources(sections: dict[str, Section | None]) -> list[KeySource]:
    sources = []
    for kind, address_key in (
        ("server_api", "address"),
        ("workload_api", "socket_path"),
        ("file", "path"),
    ):
        section = sections[kind]
        if section is None:
            continue
        trust_domain = section.text("trust_domain") if kind == "workload_api" else ""
        if kind == "workload_api" and not trust_domain:
            raise InvalidHcl(
                "trust_domain must be configured in the workload_api configuration section"
            )
        poll_seconds = section.seconds("poll_interval", DEFAULT_POLL_SECONDS)
        sources.append(KeySource(kind, section.text(address_key), poll_seconds, trust_domain))
    return sources


def _health_checks(section: Section | None) -> HealthChecks | None:
    if section is None:
        return None
    port = section.integer("bind_port")
    health = HealthChecks(
        port if port > 0 else DEFAULT_HEALTH_PORT,
        section.text("ready_path") or "/ready",
        section.text("live_path") or "/live",
    )
    for path in (health.ready_path, health.live_path):
        if not path.startswith("/"):
            raise InvalidHcl(f"health check path {path!r} does not start with '/'")
    if health.ready_path == health.live_path:
        raise InvalidHcl("ready_path and live_path must differ")
    return health


def _refuse_windows_options(root: Section, sections: dict[str, Section | None]) -> None:
    places = [("", root, "listen_named_pipe_name")]
    for name in ("server_api", "workload_api"):
        section = sections[name]
        if section is not None:
            places.append((f"{name}.", section, "named_pipe_name"))
    for prefix, place, option in places:
        experimental = place.section("experimental")
        if experimental is not None and experimental.text(option):
            raise InvalidHcl(f"{prefix}experimental.{option} is for Windows only")


def _check_listeners(root: Section, acme: Acme | None, serving: ServingCertFile | None) -> None:
    insecure, socket = root.text("insecure_addr"), root.text("listen_socket_path")
    if acme is None and serving is None and not socket and not insecure:
        raise InvalidHcl(
            "either acme, serving_cert_file, insecure_addr or listen_socket_path must be configured"
        )
    exclusive = (
        (acme and serving, "acme and serving_cert_file are mutually exclusive"),
        (acme and socket, "listen_socket_path and the acme section are mutually exclusive"),
        (serving and insecure, "serving_cert_file and insecure_addr are mutually exclusive"),
        (serving and socket, "serving_cert_file and listen_socket_path are mutually exclusive"),
        (insecure and socket, "insecure_addr and listen_socket_path are mutually exclusive"),
    )
    for both, message in exclusive:
        if both:
            raise InvalidHcl(message)


def _check_source_addresses(sources: list[KeySource]) -> None:
    for source in sources:
        if source.kind == "server_api" and not source.address:
            raise InvalidHcl("address must be configured in the server_api configuration section")
        if source.kind == "server_api" and not source.address.startswith("unix:"):
            raise InvalidHcl(
                "address must use the unix name system in the server_api configuration section"
            )
        if source.kind == "workload_api" and not source.address:
            raise InvalidHcl(
                "socket_path must be configured in the workload_api configuration section"
            )


def _issuer(text: str) -> str:
    scheme, host = _scheme_and_host(text, "the jwt_issuer url could not be parsed")
    if text and not scheme:
        raise InvalidHcl("the jwt_issuer url must contain a scheme")
    if text and not host:
        raise InvalidHcl("the jwt_issuer url must contain a host")
    return text


def _jwks_uri(text: str) -> str:
    scheme, host = _scheme_and_host(text, "the jwks_uri setting could not be parsed")
    if text and not (scheme and host):
        raise InvalidHcl("the jwks_uri setting could not be parsed")
    return text


def _scheme_and_host(text: str, message: str) -> tuple[str, str]:
    try:
        parts = urlsplit(text)
        _ = parts.port
    except ValueError:
        raise InvalidHcl(message) from None
    malformed = text.startswith(":") or _BAD_ESCAPE.search(text) or not text.isprintable()
    if malformed or " " in parts.netloc:
        raise InvalidHcl(message)
    return parts.scheme, parts.netloc
