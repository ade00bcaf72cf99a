"""Settings of an issuer: its URL, which keys it publishes, and how."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from msgspec import Meta

from spire_bridge.config.yaml import InvalidSetting
from spire_bridge.issuer.documents import DERIVED_MEMBERS
from spire_bridge.issuer.rules import MAX_CACHE_SECONDS, DocumentRules, KeyRules
from spire_bridge.issuer.url import IssuerUrl
from spire_bridge.service.settings.base import Settings, check, check_https

Algorithm = Literal["RS256", "ES256", "ES384", "ES512"]
Publish = Literal["publish", "omit"]


class IssuerSettings(Settings, frozen=True):
    """The OIDC issuer: its URL, which keys it publishes, and how."""

    url: (
        Annotated[
            str,
            Meta(
                description="The issuer, exactly as it stands in the tokens' iss claim",
                min_length=1,
            ),
        ]
        | None
    ) = None
    urls: Annotated[
        tuple[str, ...],
        Meta(
            description="Instead of `url`: several issuers with the same keys, each of which"
            " answers under its own host or path"
        ),
    ] = ()
    path: (
        Annotated[
            str,
            Meta(
                description="Where the documents are asked for, if a proxy in front changes the"
                " path; otherwise it is that of the URL",
                pattern=r"^/[^?#]*\Z",
            ),
        ]
        | None
    ) = None
    jwks_uri: (
        Annotated[
            str,
            Meta(description="The key set's URL in the discovery document, if not below `url`"),
        ]
        | None
    ) = None
    cache_seconds: (
        Annotated[
            int,
            Meta(
                description="How long verifiers may keep the documents; by default the trust"
                " domain's refresh hint, and 300 where no source tells one",
                ge=0,
                le=MAX_CACHE_SECONDS,
            ),
        ]
        | None
    ) = None
    discovery: Annotated[
        dict[str, Any] | None, Meta(description="Further members of the discovery document")
    ] = None
    algorithms: Annotated[
        tuple[Algorithm, ...],
        Meta(description="Only keys of these algorithms are published; all if unset"),
    ] = ()
    use: Annotated[
        Literal["sig", "none"], Meta(description="The keys' `use`; none leaves it out")
    ] = "sig"
    expired_keys: Annotated[
        Publish, Meta(description="Keys past their expiry, where a source tells it")
    ] = "omit"
    tainted_keys: Annotated[
        Publish, Meta(description="Keys that are about to be revoked, where a source tells it")
    ] = "publish"
    max_keys: (
        Annotated[int, Meta(description="At most so many keys: AWS reads 100 of each kind", ge=1)]
        | None
    ) = None
    max_bytes: (
        Annotated[int, Meta(description="At most so large a key set: Nimbus reads 51200", ge=1024)]
        | None
    ) = None

    def __post_init__(self) -> None:
        if (self.url is None) is not bool(self.urls):
            raise InvalidSetting("url", "Expected exactly one of `url` and `urls`")
        for setting, url in (("url", self.url), *(("urls", url) for url in self.urls)):
            if url is not None:
                check(IssuerUrl.parse, setting, url)
        if self.path is not None and self.urls:
            raise InvalidSetting("path", "Each of `urls` is served at its own path")
        if self.jwks_uri is not None:
            check_https("jwks_uri", self.jwks_uri)
        for member in sorted(DERIVED_MEMBERS & frozenset(self.discovery or ())):
            raise InvalidSetting("discovery", f"{member!r} follows from the issuer and its keys")

    def issuer_urls(self) -> tuple[IssuerUrl, ...]:
        """The issuers that these keys are served for."""
        return tuple(map(IssuerUrl.parse, self.urls or (self.url or "",)))

    def key_rules(self) -> KeyRules:
        return KeyRules(
            algorithms=frozenset(self.algorithms) if self.algorithms else None,
            expired=self.expired_keys == "publish",
            tainted=self.tainted_keys == "publish",
            max_keys=self.max_keys,
            max_bytes=self.max_bytes,
            use=None if self.use == "none" else self.use,
        )

    def document_rules(self) -> DocumentRules:
        return DocumentRules(self.jwks_uri, self.discovery or {}, self.cache_seconds)
