"""What a check comes to: one line for a person, and a stable code for a program."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Self

from spire_bridge.errors import EXIT_FAILURE, BridgeError, one_line


class Outcome(StrEnum):
    OK = "ok"
    WARN = "warn"  # it works, and will not for long or not safely
    FAIL = "fail"
    SKIP = "skip"  # there is nothing to check
    NOT_REACHED = "not reached"  # it depends on a check that failed


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of the examination.

    `seen` is what was found, `hints` say what to do, a command where one helps. `about` is the
    file or description that the check was about, if there may be several. `exit_status` counts
    for failures only. No token or key is in any of it.
    """

    check: str
    outcome: Outcome
    code: str
    seen: str
    hints: tuple[str, ...] = ()
    about: str = ""
    exit_status: int = 0

    def __post_init__(self) -> None:
        object.__setattr__(self, "seen", one_line(self.seen))
        object.__setattr__(self, "about", one_line(self.about))
        object.__setattr__(self, "hints", tuple(one_line(hint) for hint in self.hints if hint))

    @classmethod
    def ok(cls, check: str, seen: str, *, about: str = "") -> Self:
        return cls(check, Outcome.OK, "OK", seen, about=about)

    @classmethod
    def skipped(cls, check: str, seen: str) -> Self:
        return cls(check, Outcome.SKIP, "NOTHING_TO_CHECK", seen)

    @classmethod
    def not_reached(cls, check: str, cause: str) -> Self:
        return cls(check, Outcome.NOT_REACHED, "NOT_REACHED", f"not reached: see {cause}")

    @classmethod
    def warned(cls, check: str, code: str, seen: str, *hints: str, about: str = "") -> Self:
        return cls(check, Outcome.WARN, code, seen, hints, about)

    @classmethod
    def failed(
        cls,
        check: str,
        code: str,
        seen: str,
        *hints: str,
        about: str = "",
        exit_status: int = EXIT_FAILURE,
    ) -> Self:
        return cls(check, Outcome.FAIL, code, seen, hints, about, exit_status)

    @classmethod
    def of(cls, check: str, error: BridgeError, *hints: str, about: str = "") -> Self:
        """A failure in an error's own words; more `hints` follow the error's."""
        return cls.failed(
            check,
            error.code,
            error.message,
            error.hint or "",
            *hints,
            about=about,
            exit_status=error.exit_status,
        )
