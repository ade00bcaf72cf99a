"""How new a published set of documents is, and the note of it that is kept at the target."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

from spire_bridge.errors import BridgeError
from spire_bridge.jose.errors import InvalidJson
from spire_bridge.jose.strict_json import is_integer, parse_object

GENERATION_FILE = ".spire-bridge-generation.json"
MAX_NOTE_BYTES = 65_536


@dataclass(frozen=True, slots=True)
class Generation:
    """How new a set of documents is.

    `sequence` is the bundle's, None where no source tells one; `confirmed_at` is when the
    bundle was last known to be current, in seconds since the epoch, kept to a millisecond.
    """

    confirmed_at: float
    sequence: int | None = None

    def is_older_than(self, other: Self) -> bool:
        """By sequence where both tell it, and by time where that decides nothing."""
        ours, theirs = self.sequence, other.sequence
        if ours is not None and theirs is not None and ours != theirs:
            return ours < theirs
        return self._milliseconds < other._milliseconds

    def to_json(self) -> dict[str, Any]:
        times: dict[str, Any] = {"confirmed_at": self._milliseconds / 1000}
        return times if self.sequence is None else {"sequence": self.sequence, **times}

    @property
    def _milliseconds(self) -> int:
        return round(self.confirmed_at * 1000)


class PublicationOutdated(BridgeError):
    """The target has a newer set of keys than the one to be published: that of `newest`."""

    code = "PUBLICATION_OUTDATED"
    newest: Generation | None = None

    @classmethod
    def at(cls, target: str, note: str, newest: Generation) -> Self:
        error = cls(
            f"{target} has a newer set of keys than this one",
            hint="if the trust domain was set up anew, or a publisher's clock was ahead,"
            f" remove {note}",
        )
        error.newest = newest
        return error


class InvalidGeneration(BridgeError):
    """The target's generation can't be read, so nobody knows how new its documents are."""

    code = "GENERATION_INVALID"

    @classmethod
    def at(cls, note: str) -> Self:
        return cls(
            f"{note} is not a generation that was written here",
            hint="remove it if the documents beside it may be replaced",
        )


@dataclass(frozen=True, slots=True)
class Note:
    """The generation at a target, and the entity tag of the JWK set that it is of.

    `members` is all that the note holds: some targets keep more there.
    """

    generation: Generation
    jwks_etag: str
    members: Mapping[str, Any]

    @classmethod
    def parse(cls, data: bytes, where: str) -> Self:
        """Raises `InvalidGeneration`."""
        try:
            members = parse_object(data, what="generation", max_bytes=MAX_NOTE_BYTES)
        except InvalidJson:
            raise InvalidGeneration.at(where) from None
        sequence, confirmed_at = members.get("sequence"), members.get("confirmed_at")
        etag = members.get("jwks_etag")
        if (
            not (sequence is None or is_integer(sequence))
            or not (is_integer(confirmed_at) or isinstance(confirmed_at, float))
            or not isinstance(etag, str)
        ):
            raise InvalidGeneration.at(where)
        return cls(Generation(confirmed_at, sequence), etag, members)

    def outdates(self, generation: Generation, jwks_etag: str) -> bool:
        """Whether that set is another than the noted one, and older."""
        return generation.is_older_than(self.generation) and jwks_etag != self.jwks_etag
