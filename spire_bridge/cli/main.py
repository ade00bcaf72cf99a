"""The entry point: finds the command, runs it, and turns errors into exit statuses."""

from __future__ import annotations

import argparse
import gc
import os
import sys
from collections.abc import Sequence

from spire_bridge.cli.command import Subparsers
from spire_bridge.cli.help_text import HelpFormatter
from spire_bridge.errors import EXIT_FAILURE, BridgeError

# Each is a module that has `add_parser(subparsers)` and sets `run`, a function from the
# arguments to an exit status. Rooms are imported inside of it: a command loads only what it uses.
_COMMANDS = (
    *("dev", "fetch", "validate", "helper", "credential", "serve", "publish", "status", "doctor"),
    *("trust", "config", "completion", "version"),
)

# Google's SDKs set it for the executable that they run: of another call, errors go where they
# always do.
_GOOGLES = "GOOGLE_EXTERNAL_ACCOUNT_TOKEN_TYPE"

_EPILOG = """\
exit status: 0 done, 1 failed, 2 wrong usage or configuration, 3 no identity issued by
SPIRE, 4 unavailable (trying again may help)
"""


def build_parser(words: Sequence[str] = ()) -> argparse.ArgumentParser:
    """The parser of a command line that says `words`; without them, that of all commands."""
    parser = argparse.ArgumentParser(
        prog="spire-bridge",
        description="One OIDC issuer for every workload that SPIRE knows.",
        epilog=_EPILOG,
        formatter_class=HelpFormatter,
    )
    # The whole is for completion, which describes it all.
    parser.set_defaults(whole=build_parser, is_brief=False)
    Subparsers(parser, words).load({name: name for name in _COMMANDS})
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Runs a command line, by default that of this process, and returns its exit status."""
    if argv is not None:
        return _status(argv)
    gc.disable()  # what is loaded stays
    try:
        return _status(sys.argv[1:])
    finally:
        gc.freeze()  # or the interpreter looks for garbage once more, in all that there is


def _status(words: Sequence[str]) -> int:
    try:
        parser = build_parser(words)
        if _GOOGLES in os.environ and tuple(words[:2]) == ("credential", "gcp"):
            from spire_bridge.cli import google_executable

            return google_executable.answer(words, parser)
        return _run(parser, words)
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:  # the reader has gone: nothing left to say, to no one
        _drop_output()
        return EXIT_FAILURE
    except OSError as error:  # of standard output: commands translate those of their files
        _drop_output()
        _print_error(BridgeError(error.strerror or str(error)), as_json=False)
        return EXIT_FAILURE


def _run(parser: argparse.ArgumentParser, words: Sequence[str]) -> int:
    try:
        arguments = parser.parse_args(words)
    except SystemExit:
        print(end="", flush=True)
        raise
    if not arguments.is_brief:
        gc.enable()
    try:
        status: int = arguments.run(arguments)
    except BridgeError as error:
        _print_error(error, as_json=getattr(arguments, "output", "text") == "json")
        return error.exit_status
    print(end="", flush=True)
    return status


def _drop_output() -> None:
    """Keeps the interpreter from trying once more, at its end, to write what is left."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _print_error(error: BridgeError, *, as_json: bool) -> None:
    if as_json:
        import json

        content = {"code": error.code, "message": error.message, "hint": error.hint}
        print(json.dumps({"error": content}), file=sys.stderr)
    else:
        print(error.diagnostic(), file=sys.stderr)
