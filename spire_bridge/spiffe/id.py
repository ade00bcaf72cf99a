"""Trust domains and SPIFFE IDs (SPIFFE-ID specification, section 2)."""

from __future__ import annotations

from spire_bridge.errors import BridgeError
from spire_bridge.value import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Self

SCHEME = "spiffe://"
MAX_ID_BYTES = 2048
MAX_TRUST_DOMAIN_BYTES = 255

_TRUST_DOMAIN = frozenset("abcdefghijklmnopqrstuvwxyz0123456789._-")
_SEGMENT = _TRUST_DOMAIN | frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZ")


class InvalidSpiffeId(BridgeError):
    """A text is not a SPIFFE ID or trust domain name."""

    code = "SPIFFE_ID_INVALID"


class TrustDomain(Value):
    """A trust domain, by name: `example.org`.

    Raises `InvalidSpiffeId` for a name that section 2.1 does not allow.
    """

    name: str

    def _check(self) -> None:
        if not self.name:
            raise InvalidSpiffeId("trust domain is missing")
        if len(self.name) > MAX_TRUST_DOMAIN_BYTES:
            raise InvalidSpiffeId(f"trust domain is longer than {MAX_TRUST_DOMAIN_BYTES} bytes")
        if not _TRUST_DOMAIN.issuperset(self.name):
            raise InvalidSpiffeId(
                f"trust domain {_quoted(self.name)} has characters"
                " other than a-z, 0-9, '.', '-', '_'",
                hint="trust domain names are lower case and have no port, user or path",
            )

    @classmethod
    def parse(cls, text: str) -> Self:
        """Reads `example.org` or its SPIFFE ID `spiffe://example.org`."""
        return cls(text.removeprefix(SCHEME))

    def id(self) -> SpiffeId:
        """The trust domain's own SPIFFE ID, which has no path."""
        return SpiffeId(self)

    def __str__(self) -> str:
        return self.name


class SpiffeId(Value):
    """A SPIFFE ID: a trust domain and a path, which is empty or starts with a slash.

    Raises `InvalidSpiffeId` for a path that section 2.2 does not allow, and for an ID
    over 2,048 bytes (section 2.3).
    """

    trust_domain: TrustDomain
    path: str = ""

    def _check(self) -> None:
        if self.path:
            _check_path(self.path)
        if len(SCHEME) + len(self.trust_domain.name) + len(self.path) > MAX_ID_BYTES:
            raise InvalidSpiffeId(f"SPIFFE ID is longer than {MAX_ID_BYTES} bytes")

    @classmethod
    def parse(cls, text: str) -> Self:
        """Reads `spiffe://example.org/path`."""
        if not text.startswith(SCHEME):
            raise InvalidSpiffeId(f"SPIFFE ID {_quoted(text)} does not start with {SCHEME}")
        name, slash, rest = text[len(SCHEME) :].partition("/")
        return cls(TrustDomain(name), slash + rest)

    def is_member_of(self, trust_domain: TrustDomain) -> bool:
        return self.trust_domain == trust_domain

    def __str__(self) -> str:
        return f"{SCHEME}{self.trust_domain.name}{self.path}"


def _check_path(path: str) -> None:
    if not path.startswith("/"):
        raise InvalidSpiffeId("SPIFFE ID path does not start with '/'")
    for segment in path[1:].split("/"):
        if not segment:
            raise InvalidSpiffeId("SPIFFE ID path has an empty segment or a trailing slash")
        if segment in {".", ".."}:
            raise InvalidSpiffeId("SPIFFE ID path has a relative segment ('.' or '..')")
        if not _SEGMENT.issuperset(segment):
            raise InvalidSpiffeId(
                f"SPIFFE ID path segment {_quoted(segment)} has characters other than"
                " a-z, A-Z, 0-9, '.', '-', '_'"
            )


def _quoted(text: str) -> str:
    """The text as it may stand in a message: escaped and cut."""
    return ascii(text if len(text) <= 80 else text[:77] + "...")
