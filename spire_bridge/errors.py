"""The root of every error that the bridge raises on purpose."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import ClassVar


EXIT_FAILURE = 1
EXIT_USAGE = 2
EXIT_NOT_PERMITTED = 3
EXIT_UNAVAILABLE = 4


class BridgeError(Exception):
    """Something went wrong that a person can read about and act on.

    Subclasses fix `code`, which is stable and meant for programs, and `exit_status`,
    which is what a command ends with. The message is one line and never contains a
    token, a key or a secret; `hint` says what to do next.
    """

    code: ClassVar[str] = "FAILED"
    exit_status: ClassVar[int] = EXIT_FAILURE

    def __init__(self, message: str, *, hint: str | None = None) -> None:
        super().__init__(one_line(message))
        self.hint = hint

    @property
    def message(self) -> str:
        return str(self)

    def diagnostic(self) -> str:
        """The error as the command line prints it: code, message and, if any, advice."""
        text = f"error[{self.code}]: {self.message}"
        return f"{text}\n  hint: {self.hint}" if self.hint else text


def one_line(text: str) -> str:
    """`text` without anything that could break a line of a log or a terminal."""
    return "".join(c if c.isprintable() else repr(c)[1:-1] for c in text)
