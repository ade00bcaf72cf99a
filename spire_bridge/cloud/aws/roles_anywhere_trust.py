"""A role that certificates may assume, as IAM and IAM Roles Anywhere have it configured."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Self

from cryptography import x509

from spire_bridge.cloud.aws.certificate_chain import read_certificates
from spire_bridge.cloud.aws.certificate_tags import DEFAULT_MAPPING, FIELDS
from spire_bridge.cloud.aws.description import Found, objects, read_description
from spire_bridge.cloud.aws.limits import DEFAULT_SESSION_SECONDS
from spire_bridge.cloud.aws.policy import strings as texts
from spire_bridge.cloud.aws.trust import Role, role_of
from spire_bridge.cloud.trust_errors import InvalidTrust


@dataclass(frozen=True, slots=True)
class TrustAnchor:
    """The CA that is trusted. `certificates` are None if it is a private CA kept by AWS."""

    arn: str
    enabled: bool
    certificates: tuple[x509.Certificate, ...] | None = field(repr=False)


@dataclass(frozen=True, slots=True)
class Profile:
    """What sessions may be had: of which roles, for how long, with which tags."""

    arn: str
    enabled: bool
    role_arns: frozenset[str]
    duration_seconds: int = DEFAULT_SESSION_SECONDS
    accepts_session_name: bool = False
    mapping: Mapping[str, tuple[str, ...]] = field(default_factory=lambda: DEFAULT_MAPPING)


@dataclass(frozen=True, slots=True)
class SessionRequest:
    """The parameters of CreateSession; an empty `role_arn` stands for the described role."""

    role_arn: str = ""
    session_name: str = ""
    duration_seconds: int | None = None


@dataclass(frozen=True, slots=True)
class RolesAnywhereTrust:
    """An anchor, a profile and a role, and the request for a session of it."""

    name: str
    anchor: TrustAnchor
    profile: Profile
    role: Role
    request: SessionRequest = field(default_factory=SessionRequest)

    @property
    def role_arn(self) -> str:
        """The role that is asked for."""
        return self.request.role_arn or self.role.arn

    @property
    def duration_seconds(self) -> int:
        """How long the session is to last."""
        asked = self.request.duration_seconds
        return self.profile.duration_seconds if asked is None else asked

    def asked(self, request: SessionRequest) -> Self:
        """The same role, asked for with other parameters."""
        return replace(self, request=request)


def parse_trust(data: bytes, *, name: str) -> RolesAnywhereTrust:
    """Reads an object that has what these print, under whatever names: `aws rolesanywhere
    get-trust-anchor`, `aws rolesanywhere get-profile` and `aws iam get-role`.

    Raises `InvalidTrust`.
    """
    found = list(objects(read_description(data, name), name))
    anchor = _one(found, name, "trust anchor", "source")
    profile = _one(found, name, "profile", "rolearns")
    return RolesAnywhereTrust(name, _anchor(anchor), _profile(profile), role_of(found, name))


def _one(found: Iterable[Found], name: str, what: str, member: str) -> Found:
    matching = [item for item in found if member in item.members]
    if len(matching) != 1:
        count = len(matching) or "no"
        raise InvalidTrust(
            f"{name}: {count} {what}{'s' if len(matching) > 1 else ''}",
            hint="give one trust anchor, one profile and one role in a file",
        )
    return matching[0]


def _anchor(item: Found) -> TrustAnchor:
    source = item.members["source"]
    sources = list(objects(source, f"{item.place}: source"))
    pem = next((s.text("x509certificatedata") for s in sources if _has_pem(s)), None)
    is_private_ca = any("acmpcaarn" in s.members for s in sources)
    if pem is None and not is_private_ca:
        raise InvalidTrust(f"{item.place}: source: has neither certificates nor a private CA")
    return TrustAnchor(item.text("trustanchorarn", "arn"), _enabled(item), _certificates(item, pem))


def _has_pem(item: Found) -> bool:
    return bool(item.members.get("x509certificatedata"))


def _certificates(item: Found, pem: str | None) -> tuple[x509.Certificate, ...] | None:
    if pem is None:
        return None
    try:
        return read_certificates(pem.encode())
    except ValueError:
        raise InvalidTrust(f"{item.place}: x509CertificateData: is no PEM certificate") from None


def _enabled(item: Found) -> bool:
    value = item.members.get("enabled", True)
    if not isinstance(value, bool):
        raise InvalidTrust(f"{item.place}: enabled: must be true or false")
    return value


def _profile(item: Found) -> Profile:
    duration = item.number("durationseconds")
    return Profile(
        item.text("profilearn", "arn"),
        _enabled(item),
        frozenset(texts(item.members["rolearns"], f"{item.place}: roleArns")),
        DEFAULT_SESSION_SECONDS if duration is None else duration,
        item.members.get("acceptrolesessionname") is True,
        _mapping(item),
    )


def _mapping(item: Found) -> Mapping[str, tuple[str, ...]]:
    """The attribute mappings of a profile, by certificate field."""
    listed = item.members.get("attributemappings")
    if not listed:
        return DEFAULT_MAPPING
    mapping: dict[str, tuple[str, ...]] = {}
    for entry in objects(listed, f"{item.place}: attributeMappings"):
        name = entry.text("certificatefield")
        if name in FIELDS:
            mapping[name] = tuple(_specifiers(entry.members.get("mappingrules")))
    return mapping


def _specifiers(rules: Any) -> Iterable[str]:
    for rule in rules if isinstance(rules, list) else ():
        specifier = rule.get("specifier") if isinstance(rule, dict) else None
        if isinstance(specifier, str):
            yield specifier
