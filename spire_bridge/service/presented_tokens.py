"""The token that a verifier is asked about: from a file, or a fresh one of this workload's."""

from __future__ import annotations

from spire_bridge.cloud.presented_token import PresentedToken
from spire_bridge.errors import EXIT_USAGE, BridgeError
from spire_bridge.files import STANDARD_INPUT, FileFailure, read_input
from spire_bridge.workload.client import WorkloadClient

MAX_FILE_BYTES = 1024 * 1024  # more than any verifier takes: its refusal is a verdict, too


class TokenUnreadable(BridgeError):
    """There is no token to ask about."""

    code = "TOKEN_UNREADABLE"
    exit_status = EXIT_USAGE


def read_token(file: str) -> PresentedToken:
    """Reads whatever the file holds, `-` being standard input. Raises `TokenUnreadable`."""
    try:
        data = read_input(file, max_bytes=MAX_FILE_BYTES)
    except FileFailure as error:
        raise TokenUnreadable(error.message) from None
    if not data.strip():
        raise TokenUnreadable(f"{_name(file)} is empty")
    return PresentedToken.read(data)


async def fetch_token(
    client: WorkloadClient, audience: str, spiffe_id: str | None
) -> PresentedToken:
    """A fresh JWT-SVID of one identity: the one asked for, or the agent's first.

    Raises what `fetch_jwt_svids` does.
    """
    svids = await client.fetch_jwt_svids([audience], spiffe_id=spiffe_id)
    return PresentedToken.read(svids[0].token)


def _name(file: str) -> str:
    return "standard input" if file == STANDARD_INPUT else file
