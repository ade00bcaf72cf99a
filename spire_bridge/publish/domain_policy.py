"""Which hosts an issuer may be asked under, in the reference's words."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Self

from spire_bridge.errors import BridgeError

_LABEL = re.compile(r"[a-z0-9](?:[a-z0-9-]*[a-z0-9])?")


class DomainRefused(BridgeError):
    """A host that the issuer does not answer for."""

    code = "DOMAIN_REFUSED"


@dataclass(frozen=True, slots=True)
class DomainPolicy:
    """The allowed domains, compared exactly; names beyond ASCII stand in punycode."""

    domains: frozenset[str]

    @classmethod
    def of(cls, domains: Iterable[str]) -> Self:
        """Raises `DomainRefused` for a name that no host can have."""
        names = frozenset(domains)
        for name in names:
            _check_form(name)
        return cls(names)

    def check(self, domain: str) -> None:
        """Raises `DomainRefused` unless `domain` is one of them."""
        _check_form(domain)
        if domain not in self.domains:
            raise DomainRefused(f"domain {_quoted(domain)} is not allowed")


def _check_form(domain: str) -> None:
    if domain != domain.lower() or not domain.isascii():
        raise DomainRefused(f"domain {_quoted(domain)} must already be punycode encoded")
    if domain and not all(_LABEL.fullmatch(label) for label in domain.split(".")):
        raise DomainRefused(f"domain {_quoted(domain)} is not a valid domain name")


def _quoted(text: str) -> str:
    """As Go's %q writes it."""
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'
