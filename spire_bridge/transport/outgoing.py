"""One HTTP call to a token endpoint: proxies, an extra CA, one deadline, no redirect followed.

Blocks. What is sent and what comes back are secrets, so neither is in a message or a `repr`.
"""

from __future__ import annotations

import http.client
import io
import socket
import ssl
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import SplitResult, unquote, urlsplit

from spire_bridge.errors import EXIT_UNAVAILABLE, EXIT_USAGE, BridgeError

MAX_ANSWER_BYTES = 1024 * 1024

_LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})
_PROXY_VARIABLES = ("https_proxy", "http_proxy", "all_proxy")


class InvalidEndpoint(BridgeError):
    """A URL that nothing can be sent to, or not safely."""

    code = "ENDPOINT_INVALID"
    exit_status = EXIT_USAGE


class CallFailed(BridgeError):
    """An endpoint did not answer, or not with HTTP."""

    code = "CALL_FAILED"
    exit_status = EXIT_UNAVAILABLE


@dataclass(frozen=True, slots=True)
class HttpRequest:
    """What is to be sent."""

    method: str
    url: str
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    body: bytes = field(default=b"", repr=False)


@dataclass(frozen=True, slots=True)
class HttpAnswer:
    """What came back; header names are lower case."""

    status: int
    headers: Mapping[str, str] = field(repr=False)
    body: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Outgoing:
    """How calls leave this machine; calling it sends a request.

    `ca_file` is trusted besides the system's authorities. `HTTPS_PROXY`, `HTTP_PROXY`,
    `ALL_PROXY` and `NO_PROXY` of `environment` count; what is on this machine is asked
    directly. http is refused elsewhere than on this machine, unless `allow_http`.
    """

    environment: Mapping[str, str]
    timeout_seconds: float = 10.0
    ca_file: Path | None = None
    allow_http: bool = False

    def __call__(self, request: HttpRequest) -> HttpAnswer:
        """The answer, whatever its status. Raises `CallFailed` and `InvalidEndpoint`."""
        parts = self._endpoint(request.url)
        proxy = self._proxy(parts)
        deadline = time.monotonic() + self.timeout_seconds
        connection: http.client.HTTPConnection | None = None
        try:
            connection = self._connection(parts, proxy)
            connection.response_class = partial(_response, deadline)  # type: ignore[assignment]
            target = f"{parts.path or '/'}{f'?{parts.query}' if parts.query else ''}"
            headers = dict(request.headers)
            if proxy is not None and parts.scheme == "http":
                target = f"http://{parts.netloc}{target}"
                headers |= _authorization(proxy)
            connection.request(request.method, target, request.body or None, headers)
            response = connection.getresponse()
            body = _read(response)
        except (OSError, http.client.HTTPException, ValueError) as error:
            raise self._failure(parts, proxy, error) from None
        finally:
            if connection is not None:
                connection.close()
        if body is None:
            raise CallFailed(f"{_origin(parts)} answers with more than {MAX_ANSWER_BYTES} bytes")
        names = {name.lower(): value for name, value in response.getheaders()}
        return HttpAnswer(response.status, names, body)

    def _endpoint(self, url: str) -> SplitResult:
        try:
            parts = urlsplit(url)
            valid = parts.scheme in {"http", "https"} and parts.hostname and parts.port != 0
        except ValueError:
            valid = False
        if not valid or not url.isprintable() or not url.isascii() or parts.username is not None:
            raise InvalidEndpoint("the endpoint is no http or https URL", hint="https://host/path")
        if parts.scheme == "http" and parts.hostname not in _LOOPBACK and not self.allow_http:
            raise InvalidEndpoint(
                f"http://{parts.netloc} would be sent a secret without TLS",
                hint="use https; http is for endpoints on this machine",
            )
        return parts

    def _proxy(self, parts: SplitResult) -> SplitResult | None:
        if parts.hostname in _LOOPBACK:
            return None
        # Sorted, so that the lower-case one of two counts, as with curl.
        named = {k.lower(): v for k, v in sorted(self.environment.items()) if v}
        if not any(variable in named for variable in _PROXY_VARIABLES):
            return None
        # Loaded only where there is a proxy: it takes longer than everything else here.
        from urllib.request import proxy_bypass_environment  # type: ignore[attr-defined]

        if proxy_bypass_environment(parts.netloc, {"no": named.get("no_proxy", "")}):
            return None
        url = named.get(f"{parts.scheme}_proxy") or named.get("all_proxy")
        if url is None:
            return None
        try:
            proxy = urlsplit(url if "://" in url else f"http://{url}")
            if proxy.scheme == "http" and proxy.hostname and proxy.port != 0:
                return proxy
        except ValueError:
            pass
        raise InvalidEndpoint(
            f"the proxy for {parts.scheme} is no http URL",
            hint=f"look at {parts.scheme.upper()}_PROXY and ALL_PROXY: http://proxy:3128",
        )

    def _connection(
        self, parts: SplitResult, proxy: SplitResult | None
    ) -> http.client.HTTPConnection:
        timeout = self.timeout_seconds
        first = parts if proxy is None else proxy
        host, port = first.hostname or "", first.port
        if parts.scheme == "http":
            return http.client.HTTPConnection(host, port or 80, timeout=timeout)
        default_port = 443 if proxy is None else 80
        connection = http.client.HTTPSConnection(
            host, port or default_port, timeout=timeout, context=self._tls()
        )
        if proxy is not None:
            connection.set_tunnel(parts.hostname or "", parts.port or 443, _authorization(proxy))
        return connection

    def _tls(self) -> ssl.SSLContext:
        context = ssl.create_default_context()
        if self.ca_file is not None:
            try:
                context.load_verify_locations(cafile=self.ca_file)
            except (OSError, ssl.SSLError):
                raise InvalidEndpoint(
                    f"{self.ca_file} holds no certificates in PEM, or can't be read"
                ) from None
        return context

    def _failure(
        self, parts: SplitResult, proxy: SplitResult | None, error: Exception
    ) -> CallFailed:
        where = _origin(parts)
        way = "" if proxy is None else f" through the proxy {proxy.hostname}"
        if isinstance(error, ssl.SSLCertVerificationError):
            return CallFailed(
                f"{where} is not trusted here: {error.verify_message}",
                hint="name its authority by the option for a CA file, or SSL_CERT_FILE",
            )
        if isinstance(error, TimeoutError):
            return CallFailed(f"{where} did not answer within {self.timeout_seconds:g} s{way}")
        if isinstance(error, OSError):
            return CallFailed(f"{where} can't be asked{way}: {error.strerror or error}")
        # Their texts repeat what was sent, or what came back.
        kind = "not in HTTP" if isinstance(error, http.client.HTTPException) else "not at all"
        return CallFailed(f"{where} answers {kind}{way}, or can't be sent this request")


def _origin(parts: SplitResult) -> str:
    return f"{parts.scheme}://{parts.netloc}"


def _authorization(proxy: SplitResult) -> dict[str, str]:
    if proxy.username is None:
        return {}
    from base64 import b64encode

    pair = f"{unquote(proxy.username)}:{unquote(proxy.password or '')}"
    return {"Proxy-Authorization": f"Basic {b64encode(pair.encode()).decode()}"}


def _read(response: http.client.HTTPResponse) -> bytes | None:
    """The whole body; None if it is too large."""
    body = response.read(MAX_ANSWER_BYTES + 1)
    if len(body) > MAX_ANSWER_BYTES:
        return None
    if response.length:  # what was announced and has not come
        raise http.client.IncompleteRead(b"", response.length)
    return body


class _Reader(io.RawIOBase):
    """What comes from a socket until the deadline, however slowly it drips."""

    def __init__(self, connected: socket.socket, deadline: float) -> None:
        self._socket = connected
        self._raw = connected.makefile("rb", buffering=0)
        self._deadline = deadline

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int | None:  # type: ignore[override]
        left = self._deadline - time.monotonic()
        if left <= 0:
            raise TimeoutError
        self._socket.settimeout(left)
        return self._raw.readinto(buffer)

    def close(self) -> None:
        self._raw.close()
        super().close()


def _response(
    deadline: float, connected: socket.socket, **options: Any
) -> http.client.HTTPResponse:
    response = http.client.HTTPResponse(connected, **options)
    response.fp.close()
    response.fp = io.BufferedReader(_Reader(connected, deadline))
    return response
