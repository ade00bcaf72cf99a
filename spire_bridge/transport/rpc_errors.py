"""What a gRPC call can end with, as errors with a code and an exit status."""

from __future__ import annotations

from spire_bridge.errors import (
    EXIT_FAILURE,
    EXIT_NOT_PERMITTED,
    EXIT_UNAVAILABLE,
    EXIT_USAGE,
    BridgeError,
)
from spire_bridge.transport.unix_socket import SocketProblem, socket_problem
from spire_bridge.value import Value


class RpcError(BridgeError):
    """A call failed in a way that has no class of its own below."""

    code = "RPC_FAILED"


class PermissionDenied(RpcError):
    """The peer refuses this caller: no identity for a workload, no right for a call."""

    code = "PERMISSION_DENIED"
    exit_status = EXIT_NOT_PERMITTED


class Unavailable(RpcError):
    """The peer can't be reached or isn't ready; a later attempt may succeed."""

    code = "UNAVAILABLE"
    exit_status = EXIT_UNAVAILABLE


class SocketMissing(Unavailable):
    code = "SOCKET_MISSING"


class SocketForbidden(Unavailable):
    code = "SOCKET_FORBIDDEN"
    exit_status = EXIT_USAGE


class NotASocket(Unavailable):
    code = "SOCKET_WRONG_TYPE"
    exit_status = EXIT_USAGE


class DeadlineExceeded(Unavailable):
    """The peer did not answer in time."""

    code = "DEADLINE_EXCEEDED"


class StreamEnded(Unavailable):
    """The peer ended a stream without an error."""

    code = "STREAM_ENDED"


class PeerUnreachable(Unavailable):
    """There is no connection to a peer on another machine."""

    code = "PEER_UNREACHABLE"


class TlsFailed(Unavailable):
    """The peer is there, and TLS with it fails; nothing of the call was sent."""

    code = "TLS_FAILED"


class PeerNotTrusted(TlsFailed):
    """The peer's certificate is not of the bundle or the SPIFFE ID that is expected."""

    code = "PEER_NOT_TRUSTED"
    exit_status = EXIT_FAILURE


class InvalidArgument(RpcError):
    """The peer found the request itself wrong; repeating it is of no use."""

    code = "INVALID_ARGUMENT"


class Unimplemented(RpcError):
    """The peer does not offer this call."""

    code = "UNIMPLEMENTED"


class Canceled(RpcError):
    """The call was cancelled."""

    code = "CANCELED"


class UnexpectedAnswer(RpcError):
    """The peer's answer breaks the API, or is not what was asked for."""

    code = "UNEXPECTED_ANSWER"


class TrustDomainMismatch(UnexpectedAnswer):
    """The peer is of another trust domain than the one that is configured."""

    code = "TRUST_DOMAIN_MISMATCH"
    exit_status = EXIT_USAGE


class Peer(Value):
    """Whom a call goes to, in the words of its error messages.

    `program` is what runs there ("agent"), `api` what it serves ("Workload API").
    `socket_path` is None where there is none to look at.
    """

    program: str
    api: str
    address: str
    socket_path: str | None
    denied: str
    denied_hint: str
    unimplemented_hint: str
    access_hint: str


def error_of(status: str, details: str, peer: Peer) -> RpcError:
    """What a call to `peer` ended with: gRPC's name of a status other than OK, and its text."""
    program = peer.program
    match status:
        case "UNAVAILABLE":
            message = f"the {peer.api} at {peer.address} can't be reached"
            return socket_error(peer) or Unavailable(
                _with_details(message, details), hint=f"is the {program} running?"
            )
        case "PERMISSION_DENIED":
            return PermissionDenied(_with_details(peer.denied, details), hint=peer.denied_hint)
        case "DEADLINE_EXCEEDED":
            return DeadlineExceeded(
                _with_details(f"the {program} did not answer in time", details),
                hint=f"look at the {program}'s log, or allow more time",
            )
        case "INVALID_ARGUMENT":
            return InvalidArgument(_with_details(f"the {program} refused the request", details))
        case "UNIMPLEMENTED":
            return Unimplemented(
                _with_details(f"the {program} does not offer this call", details),
                hint=peer.unimplemented_hint,
            )
        case "CANCELLED":
            return Canceled(_with_details("the call was cancelled", details))
    return RpcError(_with_details(f"the call failed with {status}", details))


def socket_error(peer: Peer) -> Unavailable | None:
    """What is wrong with a socket on this machine, as far as looking at it tells."""
    path = peer.socket_path
    match socket_problem(path) if path is not None else None:
        case SocketProblem.MISSING:
            return SocketMissing(
                f"there is no socket at {path}",
                hint=f"is the {peer.program} running, and is this its socket?",
            )
        case SocketProblem.FOLDER_FORBIDDEN:
            return SocketForbidden(
                f"the folder of socket {path} may not be searched by this user",
                hint=peer.access_hint,
            )
        case SocketProblem.NOT_A_SOCKET:
            return NotASocket(
                f"{path} is not a socket", hint="give the socket itself, not its folder or a file"
            )
        case SocketProblem.FORBIDDEN:
            return SocketForbidden(
                f"socket {path} may not be opened by this user", hint=peer.access_hint
            )
    return None


def _with_details(message: str, details: str) -> str:
    return f"{message} ({details[:200]})" if details else message
