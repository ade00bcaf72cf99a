"""What STS reads from a token's claims, as it reads them: it forgives some that others refuse."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

from spire_bridge.cloud.aws.arn import role_name
from spire_bridge.cloud.aws.limits import (
    MAX_TAG_KEY_CHARACTERS,
    MAX_TAG_VALUE_CHARACTERS,
    MAX_TAGS,
)
from spire_bridge.cloud.aws.pattern import has_wildcard

ROLES_CLAIM = "https://aws.amazon.com/roles"
TAGS_CLAIM = "https://aws.amazon.com/tags"
SOURCE_IDENTITY_CLAIM = "https://aws.amazon.com/source_identity"
_AWS_CLAIMS = "https://aws.amazon.com/"
_FLAT_TAG = f"{TAGS_CLAIM}/principal_tags/"
_FLAT_TRANSITIVE = f"{TAGS_CLAIM}/transitive_tag_keys"

_INTEGER = re.compile(r"[+-]?[0-9]{1,18}", re.ASCII)
_SOURCE_IDENTITY = re.compile(r"[\w+=,.@-]{2,64}", re.ASCII)
_TAG_TEXT = re.compile(r"[\w\s.:/=+@-]*")


class InvalidClaim(ValueError):
    """A claim that STS refuses; the message is STS' own."""

    def __init__(self, message: str, *, found: str, assumed: bool = False) -> None:
        super().__init__(message)
        self.found = found
        self.assumed = assumed


T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class SessionTags:
    """Tags of the session, and those of them that go along into further sessions."""

    tags: Mapping[str, str]
    transitive: tuple[str, ...] = ()


NO_TAGS = SessionTags({})


@dataclass(frozen=True, slots=True)
class Carried:
    """What a token says to AWS alone, or what is wrong with it."""

    roles: tuple[str, ...] | InvalidClaim | None = None
    tags: SessionTags | InvalidClaim = NO_TAGS
    source_identity: str | InvalidClaim = ""

    @classmethod
    def of(cls, claims: Mapping[str, Any]) -> Carried:
        """Reads the claims that AWS has given names of its own. Never raises."""
        for name in claims:
            if name.startswith(_AWS_CLAIMS):
                return cls(
                    _attempt(authorized_roles, claims),
                    _attempt(session_tags, claims),
                    _attempt(source_identity, claims),
                )
        return NOTHING

    @property
    def session_tags(self) -> SessionTags:
        return self.tags if isinstance(self.tags, SessionTags) else NO_TAGS

    @property
    def identity(self) -> str:
        return self.source_identity if isinstance(self.source_identity, str) else ""


NOTHING = Carried()


def _attempt(read: Callable[[Mapping[str, Any]], T], claims: Mapping[str, Any]) -> T | InvalidClaim:
    try:
        return read(claims)
    except InvalidClaim as invalid:
        return invalid


def timestamp(value: object) -> int | None:
    """A time as STS takes it: a whole number, also as text."""
    if isinstance(value, bool):
        return None
    if isinstance(value, int):
        return value
    return int(value) if isinstance(value, str) and _INTEGER.fullmatch(value) else None


def subject(claims: Mapping[str, Any]) -> str:
    """`sub` as text; a number is one too."""
    value = claims.get("sub")
    return value if isinstance(value, str) else str(value)


def texts(value: object) -> tuple[str, ...]:
    """A claim that is a text or a list of texts."""
    if isinstance(value, str):
        return (value,)
    return tuple(v for v in value if isinstance(v, str)) if isinstance(value, list) else ()


def audience(claims: Mapping[str, Any], audiences: tuple[str, ...]) -> str:
    """What stands for the audience: the authorized party, or else the only audience."""
    if "azp" in claims:
        party = claims["azp"]
        return party if isinstance(party, str) else ""
    return audiences[0] if audiences else ""


def authorized_roles(claims: Mapping[str, Any]) -> tuple[str, ...] | None:
    """The roles that the issuer lets the token assume; None if it has no say.

    A list of ARNs, or one text with semicolons between them; what is no ARN of a role is
    left out. Raises `InvalidClaim` if nothing is left.
    """
    value = claims.get(ROLES_CLAIM)
    if value is None:
        return None
    listed = value.split(";") if isinstance(value, str) else value
    if not isinstance(listed, list):
        message = "The roles claim is not in a supported format"
        raise InvalidClaim(message, found="no list of roles", assumed=True)
    candidates = (item.strip() for item in listed if isinstance(item, str))
    roles = tuple(item for item in candidates if not has_wildcard(item) and role_name(item))
    if not roles:
        raise InvalidClaim("The roles claim contains no valid role ARNs", found="no role's ARN")
    return roles


def source_identity(claims: Mapping[str, Any]) -> str:
    """The identity that follows the session; empty if there is none. Raises `InvalidClaim`."""
    value = claims.get(SOURCE_IDENTITY_CLAIM, "")
    if not isinstance(value, str) or (value and not _SOURCE_IDENTITY.fullmatch(value)):
        message = "The source identity claim is invalid."
        raise InvalidClaim(message, found="an unusable source identity", assumed=True)
    return value


def session_tags(claims: Mapping[str, Any]) -> SessionTags:
    """The session's tags, in either way to write them. Raises `InvalidClaim`."""
    nested = claims.get(TAGS_CLAIM, {})
    if not isinstance(nested, dict):
        message = "Session tags passed in claim are not in correct format."
        raise InvalidClaim(message, found="no object", assumed=True)
    tags = dict([*_nested_tags(nested), *_flat_tags(claims)])
    transitive = texts(nested.get("transitive_tag_keys", claims.get(_FLAT_TRANSITIVE)))
    _check_tags(tags, transitive)
    return SessionTags(tags, transitive)


def _nested_tags(nested: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    principal = nested.get("principal_tags", {})
    wrong = "principal_tags passed in claim is not in correct format."
    if not isinstance(principal, dict):
        raise InvalidClaim(wrong, found="principal_tags is no object")
    for key, values in principal.items():
        if not isinstance(values, list) or len(values) != 1 or not isinstance(values[0], str):
            raise InvalidClaim(wrong, found=f"the tag {key} is no list of one text")
        yield key, values[0]


def _flat_tags(claims: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for name, value in claims.items():
        if name.startswith(_FLAT_TAG):
            key = name.removeprefix(_FLAT_TAG)
            if not isinstance(value, str):
                message = "The session tag claim is invalid."
                raise InvalidClaim(message, found=f"the tag {key} is no text", assumed=True)
            yield key, value


def _check_tags(tags: Mapping[str, str], transitive: tuple[str, ...]) -> None:
    if len(tags) > MAX_TAGS:
        message = "Session tags exceed the 50-tag limit."
        raise InvalidClaim(message, found=f"{len(tags)} tags", assumed=True)
    wrong = next((key for key, value in tags.items() if not is_tag(key, value)), None)
    if wrong is None:
        folded = {key.lower() for key in tags}
        wrong = next((key for key in transitive if key.lower() not in folded), None)
    if wrong is not None:
        message = "The session tag claim is invalid."
        raise InvalidClaim(message, found=f"the tag {wrong}", assumed=True)


def is_tag(key: str, value: str) -> bool:
    """Whether this can be a session tag (IAM User Guide: session tags)."""
    return (
        1 <= len(key) <= MAX_TAG_KEY_CHARACTERS
        and not key.lower().startswith("aws:")
        and _TAG_TEXT.fullmatch(key) is not None
        and is_tag_value(value)
    )


def is_tag_value(value: str) -> bool:
    return len(value) <= MAX_TAG_VALUE_CHARACTERS and _TAG_TEXT.fullmatch(value) is not None
