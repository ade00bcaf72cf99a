"""What a reviewer should look at in a trust description."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Severity(StrEnum):
    ERROR = "error"
    WARNING = "warning"
    NOTE = "note"


@dataclass(frozen=True, slots=True)
class LintFinding:
    """A rule of ours that a description breaks, where, and what to do about it."""

    rule: str
    severity: Severity
    place: str
    message: str
    fix: str
