"""A configuration of SPIRE's oidc-discovery-provider as native YAML."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import yaml

from spire_bridge.config.yaml import InvalidConfig, parse
from spire_bridge.service.drop_in.converted import Converted
from spire_bridge.service.drop_in.discovery_provider.config import KeySource, OdpConfig
from spire_bridge.service.drop_in.go_address import go_listen_address
from spire_bridge.service.settings.serve import ServeSettings

# Seconds; what is shorter in the old file is set to what the native settings admit.
_SHORTEST_POLL, _SHORTEST_LOOK = 0.5, 0.1
_LEVELS = {"trace": "debug", "warn": "warning", "fatal": "error", "panic": "error"}


def convert_odp(config: OdpConfig, *, name: str, trust_domain: str | None = None) -> Converted:
    """What `serve --config` needs to serve the same issuer.

    `trust_domain` is for files whose source does not name it. Raises `InvalidConfig` if
    there is no native form, such as for an issuer that is not https.
    """
    known = trust_domain or config.source.trust_domain
    if not known:
        raise InvalidConfig(
            f"{name} does not name the trust domain",
            hint="only its workload_api section would: add --trust-domain NAME",
        )
    if config.server_path_prefix and not config.server_path_prefix.startswith("/"):
        raise InvalidConfig(
            f"{name}: nothing is found below server_path_prefix {config.server_path_prefix!r}",
            hint="it has to start with a slash",
        )
    notes: list[str] = []
    settings = {
        "trust_domain": known.removeprefix("spiffe://"),
        "issuer": _issuer(config, notes),
        "sources": [_source(config.source)],
        "listen": _listen(config),
        **_health(config, notes),
        "log": _log(config, notes),
    }
    text = yaml.safe_dump(settings, sort_keys=False, allow_unicode=True)
    parse(text.encode(), ServeSettings, name=f"{name}, converted")
    notes += (f"{option} means nothing to either program" for option in config.ignored)
    return Converted(text, tuple(notes))


def _issuer(config: OdpConfig, notes: list[str]) -> dict[str, Any]:
    prefix = config.server_path_prefix.rstrip("/")
    issuer: dict[str, Any] = {}
    if config.jwt_issuer:
        issuer["url"] = config.jwt_issuer
        if urlsplit(config.jwt_issuer).path.rstrip("/") != prefix:
            issuer["path"] = prefix or "/"
        notes.append(
            "domains: the documents of a single issuer are served whatever host is asked for"
        )
    else:
        urls = [f"https://{domain}{prefix}" for domain in config.domains]
        issuer |= {"url": urls[0]} if len(urls) == 1 else {"urls": urls}
        if config.allow_insecure_scheme:
            notes.append("allow_insecure_scheme: an issuer is https here, except on loopback")
        notes.append("X-Forwarded-Host: counts only from listen.trusted_proxies")
    if config.jwks_uri:
        issuer["jwks_uri"] = config.jwks_uri
    if not config.set_key_use:
        issuer["use"] = "none"
    return issuer


def _source(source: KeySource) -> dict[str, Any]:
    match source.kind:
        case "server_api":
            server = {
                "address": source.address,
                "interval_seconds": max(source.poll_seconds, _SHORTEST_POLL),
            }
            return {"name": "server", "server_api": server}
        case "file":
            return {"name": "file", "file": {"path": str(Path(source.address).absolute())}}
    path = Path(source.address).absolute()
    return {"name": "agent", "workload_api": {"address": f"unix://{path}"}}


def _listen(config: OdpConfig) -> dict[str, Any]:
    if config.listen_socket_path:
        path = Path(config.listen_socket_path).absolute()
        return {"socket": str(path), "socket_mode": "0777"}
    if config.insecure_addr:
        return {"address": str(go_listen_address(config.insecure_addr))}
    if config.serving_cert_file is not None:
        files = config.serving_cert_file
        return {
            "address": str(go_listen_address(files.address)),
            "tls": {
                "certificate": str(Path(files.cert_path).absolute()),
                "key": str(Path(files.key_path).absolute()),
                "interval_seconds": max(files.sync_seconds, _SHORTEST_LOOK),
            },
        }
    assert config.acme is not None
    acme: dict[str, Any] = {
        "domains": list(config.domains),
        "email": config.acme.email,
        "terms_agreed": True,
    }
    if config.acme.directory_url:
        acme["directory_url"] = config.acme.directory_url
    if config.acme.cache_dir:
        acme["folder"] = str(Path(config.acme.cache_dir).absolute())
    return {"address": str(go_listen_address(":443")), "tls": {"acme": acme}}


def _health(config: OdpConfig, notes: list[str]) -> dict[str, Any]:
    checks = config.health_checks
    if checks is None:
        return {}
    notes.append(
        f"health_checks: {checks.live_path} and {checks.ready_path} are /livez and /readyz here,"
        " on loopback only unless health.address says otherwise"
    )
    return {"health": {"address": f"127.0.0.1:{checks.port}"}}


def _log(config: OdpConfig, notes: list[str]) -> dict[str, Any]:
    if config.log_path:
        notes.append("log_path: logs go to standard error, and whoever starts the service")
    if config.log_requests:
        notes.append("log_requests: requests are counted by /metrics, not logged")
    level = config.log_level.lower()
    return {"format": config.log_format.lower() or "text", "level": _LEVELS.get(level, level)}
