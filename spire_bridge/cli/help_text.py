"""What `--help` looks like."""

from __future__ import annotations

import argparse
import os

_NO_TERMINAL_COLUMNS = 80


class HelpFormatter(argparse.RawDescriptionHelpFormatter):
    """Descriptions as they are written, as wide as the terminal.

    The parent finds the width itself, and loads three compressors to do so; parsers make a
    formatter for each of their arguments.
    """

    def __init__(self, prog: str) -> None:
        super().__init__(prog, width=_columns() - 2)


def _columns() -> int:
    """Those of `$COLUMNS` or of the terminal."""
    said = os.environ.get("COLUMNS", "")
    if said.isdecimal() and int(said):
        return int(said)
    try:
        return os.get_terminal_size().columns or _NO_TERMINAL_COLUMNS
    except OSError:  # standard output is closed, or no terminal
        return _NO_TERMINAL_COLUMNS


def dedented(text: str) -> str:
    """`text` with its lines moved left together, and no empty ones around."""
    lines = text.strip("\n").splitlines()
    margin = min((len(line) - len(line.lstrip()) for line in lines if line.strip()), default=0)
    return "\n".join(line[margin:] for line in lines).rstrip()
