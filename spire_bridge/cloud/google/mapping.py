"""What a provider's attribute mapping makes of a token's claims."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from spire_bridge.cloud.cel import CelError
from spire_bridge.cloud.google.iam_policy import MappedAttributes
from spire_bridge.cloud.google.trust import GROUPS, SUBJECT, GoogleTrust


@dataclass(frozen=True, slots=True)
class Unmapped:
    """The first attribute that has no value of its type, and why."""

    attribute: str
    wanted: str
    error: CelError


def map_claims(trust: GoogleTrust, claims: Mapping[str, Any]) -> MappedAttributes | Unmapped:
    """The attributes of a token with these claims; never raises."""
    roots = {"assertion": claims}
    subject = trust.mapping[SUBJECT].string(roots)
    if isinstance(subject, CelError):
        return Unmapped(SUBJECT, "STRING", subject)
    groups: tuple[str, ...] = ()
    attributes: list[tuple[str, str]] = []
    for key, expression in trust.mapping.items():
        if key == GROUPS:
            listed = expression.strings(roots)
            if isinstance(listed, CelError):
                return Unmapped(key, "list of STRING", listed)
            groups = listed
        elif key.startswith("attribute."):
            value = expression.string(roots)
            if isinstance(value, CelError):
                return Unmapped(key, "STRING", value)
            attributes.append((key.removeprefix("attribute."), value))
    return MappedAttributes(subject, groups, tuple(attributes))


def condition_roots(
    trust: GoogleTrust, claims: Mapping[str, Any], mapped: MappedAttributes
) -> Mapping[str, Any]:
    """What a condition may name: the claims, and what was mapped from them."""
    google: dict[str, Any] = {"subject": mapped.subject}
    if GROUPS in trust.mapping:
        google["groups"] = list(mapped.groups)
    return {"assertion": claims, "google": google, "attribute": dict(mapped.attributes)}
