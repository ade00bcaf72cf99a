"""How a command is declared."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from textwrap import dedent
from typing import TypeAlias

Subparsers: TypeAlias = "argparse._SubParsersAction[argparse.ArgumentParser]"  # noqa: SLF001

Run = Callable[[argparse.Namespace], int]


def add_command(
    subparsers: Subparsers,
    name: str,
    *,
    run: Run | None = None,
    summary: str,
    description: str | None = None,
    examples: str = "",
) -> argparse.ArgumentParser:
    """Adds a command whose `--help` ends with examples; `run` is None if it has subcommands."""
    parser = subparsers.add_parser(
        name,
        help=summary,
        description=dedent(description or f"{summary[0].upper()}{summary[1:]}.").strip(),
        epilog=f"examples:\n{dedent(examples).strip(chr(10))}" if examples else None,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    if run is not None:
        parser.set_defaults(run=run)
    return parser
