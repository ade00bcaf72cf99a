"""How commands are declared, and which of them a command line loads."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping, Sequence
from importlib import import_module

from spire_bridge.cli.help_text import HelpFormatter, dedented

Run = Callable[[argparse.Namespace], int]


class Subparsers:
    """The place in a parser where its commands are added.

    `words` are what the command line says after the name of the parser, if it is known.
    """

    def __init__(
        self,
        parser: argparse.ArgumentParser,
        words: Sequence[str] = (),
        *,
        title: str = "commands",
        metavar: str = "COMMAND",
    ) -> None:
        self.action = parser.add_subparsers(title=title, metavar=metavar, required=True)
        self.words = words

    def load(self, modules: Mapping[str, str]) -> None:
        """Adds the command that the words name, or else all: they may be asked to be listed.

        `modules` has the module in this room for each command. Each has a function
        `add_parser(subparsers)`.
        """
        named = [word for word in self.words[:1] if word in modules]
        for name in named or modules:
            command = import_module(f"spire_bridge.cli.{modules[name]}")
            command.add_parser(self)


def add_command(
    subparsers: Subparsers,
    name: str,
    *,
    run: Run | None = None,
    summary: str,
    description: str | None = None,
    examples: str = "",
    is_brief: bool = False,
) -> argparse.ArgumentParser:
    """Adds a command whose `--help` ends with examples; `run` is None if it has subcommands.

    A brief one is over before it has made any garbage that is worth looking for.
    """
    parser: argparse.ArgumentParser = subparsers.action.add_parser(
        name,
        help=summary,
        description=dedented(description or f"{summary[0].upper()}{summary[1:]}."),
        epilog=f"examples:\n{dedented(examples)}" if examples else None,
        formatter_class=HelpFormatter,
    )
    if run is not None:
        parser.set_defaults(run=run, is_brief=is_brief)
    return parser


def add_group(
    subparsers: Subparsers,
    name: str,
    modules: Mapping[str, str],
    *,
    summary: str,
    title: str = "commands",
    metavar: str = "COMMAND",
) -> None:
    """Adds a command that only has subcommands, each in a module of its own."""
    group = add_command(subparsers, name, summary=summary)
    Subparsers(group, subparsers.words[1:], title=title, metavar=metavar).load(modules)
