"""What a verifier is asked about: from a file, or a fresh SVID of this workload's."""

from __future__ import annotations

from pathlib import Path

from spire_bridge.cloud.aws.certificate_chain import PresentedChain
from spire_bridge.cloud.presented_token import PresentedToken
from spire_bridge.errors import EXIT_USAGE, BridgeError
from spire_bridge.files.errors import FileFailure
from spire_bridge.files.reading import STANDARD_INPUT, read_input, read_limited
from spire_bridge.workload.client import WorkloadClient

MAX_FILE_BYTES = 1024 * 1024  # more than any verifier takes: its refusal is a verdict, too


class TokenUnreadable(BridgeError):
    """There is no token, or no certificate, to ask about."""

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


def read_chain(file: Path) -> PresentedChain:
    """Reads a certificate and its intermediates, leaf first. Raises `TokenUnreadable`."""
    try:
        return PresentedChain.read(read_limited(file, max_bytes=MAX_FILE_BYTES))
    except FileFailure as error:
        raise TokenUnreadable(error.message) from None


async def fetch_chain(client: WorkloadClient, spiffe_id: str | None) -> PresentedChain:
    """The X.509-SVID of one identity: the one asked for, or the agent's first.

    Raises what `fetch_x509_context` does, and `TokenUnreadable`.
    """
    svids = (await client.fetch_x509_context()).svids
    for svid in svids:
        if spiffe_id is None or str(svid.spiffe_id) == spiffe_id:
            return PresentedChain.read(svid.chain_pem())
    raise TokenUnreadable(
        f"this workload has no X.509-SVID of {spiffe_id}",
        hint=f"the agent gives it {', '.join(str(svid.spiffe_id) for svid in svids)}",
    )


def _name(file: str) -> str:
    return "standard input" if file == STANDARD_INPUT else file
