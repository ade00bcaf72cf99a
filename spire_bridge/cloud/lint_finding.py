"""What a look at trust descriptions and subjects finds, before any token is there."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Severity(StrEnum):
    """How much a finding matters."""

    ERROR = "error"  # tokens will be refused, or strangers accepted
    WARNING = "warning"  # matches more than meant, or soon will not work
    NOTE = "note"  # worth knowing


@dataclass(frozen=True, slots=True)
class LintFinding:
    """What is wrong or weaker than meant, where, and what to do about it.

    `rule` is a stable short name; `place` is the description and the member in it, or the
    subject that is concerned.
    """

    rule: str
    severity: Severity
    place: str
    message: str
    fix: str
