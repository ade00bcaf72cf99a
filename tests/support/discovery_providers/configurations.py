"""Configurations of the reference and requests to it, from a seed: the same in every run."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any

from forgery.tokens import ec_key, jwk, jwk_set, rsa_key

from discovery_providers.exchange import Request

DISCOVERY = ".well-known/openid-configuration"

DOMAINS = (
    ["domain.test"],
    ["domain.test", "localhost", "xn--n38h.test"],
    ["localhost", "domain.test", "domain.test", "127.0.0.1", "a-b.c1.test"],
)
ISSUERS = (
    None,
    "https://domain.test",
    None,
    "http://domain.test/",
    "https://domain.test/some/issuer/path/issuer1",
    None,
    "https://domain.test/some/issuer/path/issuer1/",
    "HTTPS://Domain.Test:8443/Some/Path",
    "https://domain.test/a?x=1#part",
    None,
    "https://domain.test/a%20b",
    "https://domain.test/a/../b//c",
    "https://domain.test//",
)
JWKS_URIS = (None, None, "http://other.test/keys", "HTTPS://Other.test:1/Keys?x=1&y=2", None)
PREFIXES = (
    None,
    "/",
    "/some/issuer/path/issuer1",
    "/some/issuer/path/issuer1/",
    None,
    "",
    "no/slash",
    "/a/../b//c/",
    "//twice",
    "/a%20b",
    "/a b",
)
LISTENERS = ("insecure_addr", "listen_socket_path", "serving_cert_file", "insecure_addr")
FORMS = ("hcl", "json", "hcl", "blocks")

_RSA = jwk(rsa_key(), kid="rsa", use="jwt-svid")
_P256 = jwk(ec_key(1), kid="p256", use="jwt-svid", alg="RS512", exp=1)
_P384 = jwk(ec_key(1, "P-384"), kid="p384", use="jwt-svid")
BUNDLES: tuple[bytes | None, ...] = (
    jwk_set(_RSA),
    jwk_set(_RSA, _P256, _P384, spiffe_sequence=1),
    jwk_set(_P256),
    jwk_set(_P384, jwk(ec_key(2), kid="wit", use="wit-svid"), jwk(ec_key(3), kid="none")),
    jwk_set(),
    None,  # no file
)


@dataclass(frozen=True)
class Configuration:
    """The options of one run; `listener` and `form` say how they are written down."""

    options: dict[str, Any]
    listener: str
    form: str
    bundle: bytes | None

    @property
    def prefix(self) -> str:
        return str(self.options.get("server_path_prefix") or "/").rstrip("/") + "/"

    def write(self, to: Path, **more: Any) -> Path:
        to.write_text(written({**self.options, **more}, self.form))
        return to

    def __str__(self) -> str:
        return f"{self.listener} {self.form} {self.options}"


def configurations(count: int, seed: int = 4) -> list[Configuration]:
    """Each value of each option comes up as often as the others, in mixed company."""
    random = Random(seed)
    columns = {
        "domains": DOMAINS,
        "jwt_issuer": ISSUERS,
        "jwks_uri": JWKS_URIS,
        "server_path_prefix": PREFIXES,
        "set_key_use": (None, True, False),
        "allow_insecure_scheme": (True, None, False),
        "log_requests": (None, True),
        "log_format": (None, "json", "TEXT"),
        "listener": LISTENERS,
        "form": FORMS,
        "bundle": BUNDLES[:4] * 2 + BUNDLES[4:],
    }
    drawn = {name: _dealt(values, random) for name, values in columns.items()}
    configured = []
    for _ in range(count):
        row = {name: next(values) for name, values in drawn.items()}
        how = {name: row.pop(name) for name in ("listener", "form", "bundle")}
        options = {name: value for name, value in row.items() if value is not None}
        configured.append(Configuration(options, **how))
    return configured


def requests(configuration: Configuration, count: int, seed: int) -> Iterator[Request]:
    """The plain questions first, then `count` odd ones."""
    at = configuration.prefix
    for path in ("keys", DISCOVERY):
        for method in ("GET", "HEAD", "PUT", "POST", "OPTIONS", "DELETE", "PATCH", "TRACE"):
            yield Request(at + path, method)
    random = Random(seed)
    for path in _targets(at):
        yield Request(path, random.choice(("GET", "GET", "HEAD", "POST")))
    for headers in _HEADERS:
        yield Request(at + DISCOVERY, headers=headers)
    for _ in range(count):
        yield Request(
            random.choice(_targets(at)) if random.random() < 0.2 else at + DISCOVERY,
            random.choice(("GET", "GET", "GET", "HEAD", "PUT")),
            tuple(dict(itertools.chain(*random.choices(_HEADERS, k=2))).items()),
        )
    for headers in _CONDITIONS:
        yield Request(at + random.choice(("keys", DISCOVERY)), headers=(_HOST, *headers))


_HOST = ("Host", "domain.test")
_HOSTS = (
    "domain.test",
    "domain.test:8080",
    "domain.test:",
    "domain.test:http",
    "domain.test:80:80",
    "localhost",
    "LOCALHOST",
    "Domain.test",
    "xn--n38h.test",
    "xn--n38h.test:443",
    "bad.domain.test",
    "domain.test.",
    "127.0.0.1",
    "127.0.0.1:80",
    "[::1]",
    "[::1]:80",
    "::1",
    "under_score.test",
    "-a.test",
    "a-.test",
    "a--b.test",
    "ab--c.test",
    "xn--a.test",
    "xn--zz--.test",
    "a..test",
    ".test",
    "a" * 64 + ".test",
    "☃.test",
    "",
)
_HEADERS: tuple[tuple[tuple[str, str], ...], ...] = (
    *((("Host", host),) for host in _HOSTS),
    *((_HOST, ("X-Forwarded-Host", host)) for host in _HOSTS),
    (("Host", "evil.test"), ("X-Forwarded-Host", "domain.test"), ("X-Forwarded-Proto", "https")),
    (_HOST, ("X-Forwarded-Host", "domain.test, evil.test")),
    (_HOST, ("X-Forwarded-Host", "domain.test"), ("X-Forwarded-Host", "evil.test")),
    (_HOST, ("X-Forwarded-Host", "evil.test"), ("X-Forwarded-Host", "domain.test")),
    (_HOST, ("X-Forwarded-Proto", "https")),
    (_HOST, ("X-Forwarded-Proto", "HTTPS")),
    (_HOST, ("X-Forwarded-Proto", "http")),
    (_HOST, ("X-Forwarded-Proto", "https,http")),
    (_HOST, ("X-Forwarded-Proto", "ws")),
    (_HOST, ("X-Forwarded-Proto", "http"), ("X-Forwarded-Proto", "https")),
    (_HOST, ("X-Forwarded-Scheme", "https")),
    (_HOST, ("X-Forwarded-Scheme", "https"), ("X-Forwarded-Proto", "http")),
    (_HOST, ("Forwarded", "proto=https")),
    (_HOST, ("Forwarded", 'proto="https"')),
    (_HOST, ("Forwarded", "for=192.0.2.60;proto=HTTPS;by=203.0.113.43")),
    (_HOST, ("Forwarded", "for=1.2.3.4; host=evil.test; proto=http, proto=https")),
    (_HOST, ("Forwarded", "host=evil.test")),
    (_HOST, ("Forwarded", "proto=https"), ("X-Forwarded-Scheme", "http")),
    (_HOST, ("X-Forwarded-Prefix", "/evil")),
    (_HOST, ("X-Forwarded-Port", "8443")),
    (_HOST, ("X-Forwarded-For", "1.2.3.4"), ("X-Real-IP", "1.2.3.4")),
    (_HOST, ("Origin", "https://page.test"), ("Accept-Encoding", "gzip"), ("Accept", "text/xml")),
)
_CONDITIONS: tuple[tuple[tuple[str, str], ...], ...] = (
    (("If-None-Match", "*"),),
    (("If-None-Match", '"other"'),),
    (("If-Match", '"other"'),),
    (("If-Modified-Since", "Thu, 01 Jan 1970 00:00:00 GMT"),),
    (("If-Modified-Since", "Fri, 01 Jan 2100 00:00:00 GMT"),),
    (("If-Unmodified-Since", "Thu, 01 Jan 1970 00:00:00 GMT"),),
    (("Range", "bytes=0-9"),),
    (("Range", "bytes=99999999-"),),
)


def _targets(at: str) -> tuple[str, ...]:
    return (
        *(
            at + path
            for path in (
                "",
                "keys/",
                "/keys",
                "./keys",
                "x/../keys",
                "/keys?a=b&c=<d>",
                "./" + DISCOVERY + "?x",
                "/" + DISCOVERY + "/",
                "../keys",
                "keys/..",
                "keys/.",
                "KEYS",
                "key",
                "keys.json",
                "keys?x=1",
                "keys?",
                "keys;x=1",
                "keys#part",
                "%6beys",
                "%6Beys?a=%20",
                "/%6beys",
                "keys%2f",
                "keys%2F..",
                "%2e%2e/keys",
                "%2ekeys",
                "%2e/keys",
                ".well-known%2fopenid-configuration",
                ".well-known/openid%2Dconfiguration",
                "/.well-known/%6Fpenid-configuration",
                "keys%00",
                "keys%20",
                "//a b".replace(" ", "%20"),
                "//%c3%a9",
                "//%ff",
                "//a%22b<c>'",
                ".well-known",
                ".well-known/",
                DISCOVERY + "?x=1",
                DISCOVERY + "/",
            )
        ),
        "/",
        "//",
        "/..",
        "/keys",
        "/ready",
        "/live",
        "/favicon.ico",
        "http://domain.test" + at + "keys",
        "http://domain.test" + at + DISCOVERY,
        "https://evil.test" + at + DISCOVERY,
        "http://domain.test",
    )


def written(options: dict[str, Any], form: str = "hcl") -> str:
    """The options as HCL, as HCL with `x = {}` for sections, or as JSON."""
    if form == "json":
        return json.dumps(options)
    return "# generated\n" + "".join(_lines(options, " = " if form == "blocks" else " "))


def _lines(options: dict[str, Any], before_section: str, indent: str = "") -> Iterator[str]:
    for name, value in options.items():
        if isinstance(value, dict):
            yield f"{indent}{name}{before_section}{{\n"
            yield from _lines(value, before_section, indent + "  ")
            yield f"{indent}}}\n"
        else:
            yield f"{indent}{name} = {json.dumps(value, ensure_ascii=False)}\n"


def _dealt(values: Sequence[Any], random: Random) -> Iterator[Any]:
    while True:
        yield from random.sample(values, len(values))
