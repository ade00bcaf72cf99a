"""SPIRE's oidc-discovery-provider, from its own configuration file: a drop-in for that program."""

from __future__ import annotations

import asyncio
import logging
import sys
import time
from collections.abc import Callable
from contextlib import AsyncExitStack
from pathlib import Path

from spire_bridge.bundles.file_source import FileSource
from spire_bridge.bundles.source import Source
from spire_bridge.bundles.store import BundleStore
from spire_bridge.config.hcl import InvalidHcl
from spire_bridge.errors import BridgeError
from spire_bridge.issuer.key_set import KeySet
from spire_bridge.issuer.rules import KeyRules
from spire_bridge.listen.acme.directories import LETS_ENCRYPT
from spire_bridge.listen.address import Address, ListenAddress, UnixAddress
from spire_bridge.listen.http import Handler, Request, Response
from spire_bridge.listen.server import serving
from spire_bridge.listen.tls import CertificateFiles, Certificates
from spire_bridge.publish.domain_policy import DomainPolicy, DomainRefused
from spire_bridge.publish.odp_routes import OdpRoutes, OdpRules
from spire_bridge.server_api.bundle_source import ServerApiSource
from spire_bridge.service.drop_in.discovery_provider.config import (
    KeySource,
    OdpConfig,
    load_odp_config,
)
from spire_bridge.service.drop_in.discovery_provider.health import odp_health
from spire_bridge.service.drop_in.go_address import every_address, go_listen_address
from spire_bridge.service.issuing.expiry_timer import ExpiryTimer
from spire_bridge.service.process import stop_signals, use_all_descriptors
from spire_bridge.spiffe.bundle import Bundle
from spire_bridge.spiffe.id import TrustDomain
from spire_bridge.telemetry.logs import LogLevel, configure_logging
from spire_bridge.workload.agent_source import AgentSource

# The reference makes its socket for everyone, who are kept out by the folder, if at all.
_SOCKET_MODE = 0o777

_LEVELS: dict[str, LogLevel] = {
    "trace": "debug", "debug": "debug", "info": "info", "warn": "warning", "warning": "warning",
    "error": "error", "fatal": "error", "panic": "error",
}  # fmt: skip

_log = logging.getLogger(__name__)


def serve_odp(path: Path, *, expand_env: bool, as_reference: frozenset[str] = frozenset()) -> None:
    """Serves until SIGTERM or SIGINT. Raises `BridgeError` if it can't start.

    `as_reference` are those of `odp_switches.SWITCHES` that are to be as the reference has
    them.
    """
    use_all_descriptors()
    config = load_odp_config(path, expand_env=expand_env)
    _configure_logging(config)
    for option in config.ignored:
        _log.warning("unknown option is ignored", extra={"option": option})
    asyncio.run(_serve(config, as_reference))


async def _serve(config: OdpConfig, as_reference: frozenset[str]) -> None:
    routes = OdpRoutes(_rules(config, as_reference))
    key_rules = _key_rules(config, as_reference)
    tls = _certificates(config)
    source = _source(config.source)
    store = BundleStore(_label(config), on_change=_publisher(routes, key_rules))
    async with AsyncExitStack() as stack:
        stop = await stack.enter_async_context(stop_signals())
        handler = _logged(routes) if config.log_requests else routes
        address = await stack.enter_async_context(
            serving(handler, _address(config), tls=tls.context if tls else None)
        )
        if config.health_checks is not None:
            health = odp_health(
                config.health_checks,
                store,
                poll_seconds=config.source.poll_seconds,
                methods=routes.methods,
            )
            host = every_address() if "health-address" in as_reference else "127.0.0.1"
            health_address = ListenAddress(host, config.health_checks.port)
            await _serve_health(stack, health, health_address)
        following = asyncio.create_task(store.follow(source), name=f"source {source.name}")
        stack.callback(following.cancel)
        if tls is not None:
            watching = asyncio.create_task(tls.follow())
            stack.callback(watching.cancel)
        _log.info("serving", extra={"address": str(address), "tls": tls is not None})
        await stop.wait()
        _log.info("stopping")


def _key_rules(config: OdpConfig, as_reference: frozenset[str]) -> KeyRules:
    return KeyRules(
        expired="expired-keys" in as_reference, use="sig" if config.set_key_use else None
    )


def _rules(config: OdpConfig, as_reference: frozenset[str]) -> OdpRules:
    try:
        domains = DomainPolicy.of(config.domains)
    except DomainRefused as error:
        raise InvalidHcl(error.message) from None
    return OdpRules(
        domains=domains,
        jwt_issuer=config.jwt_issuer,
        jwks_uri=config.jwks_uri,
        path_prefix=config.server_path_prefix,
        allow_insecure_scheme=config.allow_insecure_scheme,
        tls=config.serving_cert_file is not None or config.acme is not None,
        as_reference=as_reference,
    )


def _publisher(routes: OdpRoutes, rules: KeyRules) -> Callable[[Bundle], None]:
    expiry = ExpiryTimer()

    def publish(bundle: Bundle) -> None:
        now = time.time()
        key_set = KeySet.from_bundle(bundle.jwt, now, rules)
        routes.show(key_set)
        expiry.start(key_set, now, lambda: publish(bundle))
        _log.info("documents have changed", extra={"keys": len(key_set.keys)})

    return publish


def _source(source: KeySource) -> Source:
    match source.kind:
        case "server_api":
            return ServerApiSource("server_api", source.address, None, source.poll_seconds)
        case "file":
            return FileSource("file", Path(source.address), TrustDomain("file"))
    path = Path(source.address).absolute()
    return AgentSource("workload_api", f"unix://{path}", TrustDomain.parse(source.trust_domain))


def _label(config: OdpConfig) -> TrustDomain:
    """The trust domain, or a word for it where only the source knows."""
    if config.source.trust_domain:
        return TrustDomain.parse(config.source.trust_domain)
    return TrustDomain(config.source.kind)


def _address(config: OdpConfig) -> Address:
    if config.listen_socket_path:
        return UnixAddress(Path(config.listen_socket_path), _SOCKET_MODE)
    if config.insecure_addr:
        return go_listen_address(config.insecure_addr)
    if config.serving_cert_file is not None:
        return go_listen_address(config.serving_cert_file.address)
    return go_listen_address(":443")  # for ACME there is no other


def _certificates(config: OdpConfig) -> Certificates | None:
    files, acme = config.serving_cert_file, config.acme
    if files is not None:
        return CertificateFiles(Path(files.cert_path), Path(files.key_path), files.sync_seconds)
    if acme is not None:
        from spire_bridge.listen.acme.certificates import AcmeCertificates

        return AcmeCertificates(
            config.domains,
            folder=Path(acme.cache_dir) if acme.cache_dir else None,
            terms_agreed=True,  # without it the file is refused
            directory_url=acme.directory_url or LETS_ENCRYPT,
            email=acme.email,
        )
    return None


async def _serve_health(stack: AsyncExitStack, handler: Handler, address: ListenAddress) -> None:
    """A port that is taken is no reason not to serve."""
    try:
        await stack.enter_async_context(serving(handler, address))
    except BridgeError as error:
        _log.error("health checks are not served", extra={"reason": error.message})


def _logged(handler: Handler) -> Handler:
    def handle(request: Request) -> Response:
        _log.debug(
            "incoming request",
            extra={
                "method": request.method,
                "path": request.path,
                "user_agent": request.headers.get("user-agent", ""),
            },
        )
        return handler(request)

    return handle


def _configure_logging(config: OdpConfig) -> None:
    level = _LEVELS.get(config.log_level.lower())
    if level is None:
        raise InvalidHcl(f"not a valid log level: {config.log_level!r}")
    log_format = config.log_format.lower()
    if log_format not in {"", "text", "json"}:
        raise InvalidHcl(f"unknown log format: {config.log_format!r}")
    configure_logging("json" if log_format == "json" else "text", level)
    if config.log_path:
        try:
            sys.stderr = Path(config.log_path).open(  # noqa: SIM115 - until the end
                "a", buffering=1, encoding="utf-8"
            )
        except OSError as error:
            raise InvalidHcl(f"unable to open log file {config.log_path}: {error}") from None
        configure_logging("json" if log_format == "json" else "text", level)
