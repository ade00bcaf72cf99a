"""Which hosts an issuer may be asked under, in the reference's words."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Self
from unicodedata import normalize

from spire_bridge.errors import BridgeError

_RUNE = re.compile(r"[A-Za-z0-9.-]")


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
    """What IDNA's lookup profile asks of a name (UTS 46, RFC 5891), in the reference's order."""
    rune = next((c for c in domain if c.isascii() and not _RUNE.fullmatch(c)), None)
    if rune is not None:
        raise _invalid(domain, f"disallowed rune U+{ord(rune):04X}")
    for label in domain.lower().split("."):
        wrong = _wrong_part(label)
        if wrong is not None:
            raise _invalid(domain, f"invalid label {_quoted(wrong)}")
    if domain != domain.lower() or not domain.isascii():
        raise DomainRefused(f"domain {_quoted(domain)} must already be punycode encoded")


def _wrong_part(label: str) -> str | None:
    """The label, or what its punycode stands for, if it can't be one; None if it can."""
    if not label.startswith("xn--"):
        return label if label[2:4] == "--" or label != label.strip("-") else None
    encoded = label.removeprefix("xn--")
    try:
        name = encoded.encode("ascii").decode("punycode")
    except UnicodeError:
        return encoded
    valid = not name.isascii() and name.isprintable() and name == normalize("NFKC", name).lower()
    return None if valid else encoded if name.isascii() else name


def _invalid(domain: str, reason: str) -> DomainRefused:
    return DomainRefused(f"domain {_quoted(domain)} is not a valid domain name: idna: {reason}")


def _quoted(text: str) -> str:
    """As Go's %q writes it."""
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return '"' + "".join(c if c.isprintable() else f"\\u{ord(c):04x}" for c in escaped) + '"'
