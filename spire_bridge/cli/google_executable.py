"""`credential gcp` as Google's SDKs run it: whatever happens is one JSON document for them.

An SDK reads standard output and standard error as one, and nothing if the exit status is not 0
(AIP-4117). So nothing is said on standard error, be it by the gRPC library.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

from spire_bridge.errors import BridgeError

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse

_STANDARD_ERROR = 2


def answer(words: Sequence[str], parser: argparse.ArgumentParser) -> int:
    """Prints the token or why there is none; returns the exit status."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), _STANDARD_ERROR)
    response = _response(words, parser)
    sys.stdout.write(f"{response}\n")
    sys.stdout.flush()
    return 0


def _response(words: Sequence[str], parser: argparse.ArgumentParser) -> str:
    from spire_bridge.cli.credential_gcp import response
    from spire_bridge.credentials.google.executable import failure

    arguments = _arguments(words, parser)
    if isinstance(arguments, str):
        return failure("WRONG_USAGE", arguments)
    try:
        return response(arguments)
    except BridgeError as error:
        advice = f" ({error.hint})" if error.hint else ""
        return failure(error.code, f"{error.message}{advice}")
    except Exception as error:  # noqa: BLE001 - a traceback is nothing that an SDK can read
        return failure("UNEXPECTED", f"spire-bridge failed: {type(error).__name__}")


def _arguments(words: Sequence[str], parser: argparse.ArgumentParser) -> argparse.Namespace | str:
    """What the words say, or what the parser has to say about them."""
    import io
    from contextlib import redirect_stderr, redirect_stdout

    said = io.StringIO()
    try:
        with redirect_stdout(said), redirect_stderr(said):
            return parser.parse_args(words)
    except SystemExit as ended:
        if not ended.code:
            return "the command line asks for help, and for no token"
        return said.getvalue().strip().rpartition("\n")[2]
