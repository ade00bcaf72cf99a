"""SPIFFE IDs to lint, one a line; a pattern stands for an example of it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from spire_bridge.cloud.lint_finding import LintFinding, Severity
from spire_bridge.errors import EXIT_USAGE, BridgeError
from spire_bridge.files.errors import FileFailure
from spire_bridge.files.reading import STANDARD_INPUT, read_input
from spire_bridge.spiffe.id import InvalidSpiffeId, SpiffeId

MAX_FILE_BYTES = 64 * 1024 * 1024

_EXAMPLE = "any"  # in place of each star


class SubjectsUnreadable(BridgeError):
    """A list of SPIFFE IDs can't be read."""

    code = "SUBJECTS_UNREADABLE"
    exit_status = EXIT_USAGE


class SubjectList:
    """Subjects with the places that they are from, and findings about what is no SPIFFE ID."""

    def __init__(self) -> None:
        self.places: dict[str, str] = {}
        self.findings: list[LintFinding] = []

    def read(self, file: str) -> None:
        """Adds a file's, `-` being standard input. Raises `SubjectsUnreadable`."""
        name = "standard input" if file == STANDARD_INPUT else file
        try:
            text = read_input(file, max_bytes=MAX_FILE_BYTES).decode("utf-8")
        except FileFailure as error:
            raise SubjectsUnreadable(error.message) from None
        except UnicodeDecodeError:
            raise SubjectsUnreadable(f"{name} is no text in UTF-8") from None
        for number, line in _lines(text):
            self.add(line, f"{name}:{number}")

    def add(self, text: str, place: str) -> None:
        """Adds a SPIFFE ID, or a pattern in which each `*` stands for a path segment or more."""
        subject = text.replace("*", _EXAMPLE)
        try:
            SpiffeId.parse(subject)
        except InvalidSpiffeId as error:
            self.findings.append(
                LintFinding(
                    "invalid-spiffe-id",
                    Severity.ERROR,
                    place,
                    error.message,
                    error.hint or "SPIRE issues tokens for SPIFFE IDs only",
                )
            )
        else:
            self.places.setdefault(subject, place)


def _lines(text: str) -> Iterable[tuple[int, str]]:
    """Without empty lines and comments, each with its number."""
    stripped: Iterator[str] = (line.partition("#")[0].strip() for line in text.splitlines())
    return ((number, line) for number, line in enumerate(stripped, 1) if line)
