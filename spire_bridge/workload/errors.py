"""What a Workload API call can end with, as errors with a code and an exit status."""

from __future__ import annotations

from pathlib import Path

import grpc

from spire_bridge.errors import (
    EXIT_NOT_PERMITTED,
    EXIT_UNAVAILABLE,
    EXIT_USAGE,
    BridgeError,
)
from spire_bridge.transport.unix_socket import SocketProblem, socket_problem
from spire_bridge.workload.address import EndpointAddress


class WorkloadApiError(BridgeError):
    """A call failed in a way that has no class of its own below."""

    code = "WORKLOAD_API_FAILED"


class PermissionDenied(WorkloadApiError):
    """The endpoint has no identity for this workload, or none that was asked for."""

    code = "PERMISSION_DENIED"
    exit_status = EXIT_NOT_PERMITTED


class HintNotFound(PermissionDenied):
    """None of the workload's identities carries the hint that was asked for."""

    code = "HINT_NOT_FOUND"


class Unavailable(WorkloadApiError):
    """The endpoint can't be reached or isn't ready; a later attempt may succeed."""

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
    """The endpoint did not answer in time."""

    code = "DEADLINE_EXCEEDED"


class StreamEnded(Unavailable):
    """The endpoint ended a stream without an error."""

    code = "STREAM_ENDED"


class InvalidArgument(WorkloadApiError):
    """The endpoint found the request itself wrong; repeating it is of no use."""

    code = "INVALID_ARGUMENT"


class Unimplemented(WorkloadApiError):
    """The endpoint does not offer this call."""

    code = "UNIMPLEMENTED"


class Canceled(WorkloadApiError):
    """The call was cancelled."""

    code = "CANCELED"


class UnexpectedAnswer(WorkloadApiError):
    """The endpoint's answer breaks the standard, or is not what was asked for."""

    code = "UNEXPECTED_ANSWER"


# A watch ends on these; on everything else it tries again (Workload Endpoint, appendix A).
FINAL_ERRORS = (Canceled, InvalidArgument, Unimplemented)

_BY_STATUS: dict[grpc.StatusCode, tuple[type[WorkloadApiError], str, str | None]] = {
    grpc.StatusCode.PERMISSION_DENIED: (
        PermissionDenied,
        "the agent has issued no such identity to this workload",
        "check the registration entries (spire-server entry show); a new one takes some seconds",
    ),
    grpc.StatusCode.DEADLINE_EXCEEDED: (
        DeadlineExceeded,
        "the agent did not answer in time",
        "look at the agent's log, or allow more time",
    ),
    grpc.StatusCode.INVALID_ARGUMENT: (InvalidArgument, "the agent refused the request", None),
    grpc.StatusCode.UNIMPLEMENTED: (
        Unimplemented,
        "the agent does not offer this call",
        "is this the address of a Workload API?",
    ),
    grpc.StatusCode.CANCELLED: (Canceled, "the call was cancelled", None),
}


def error_of(rpc_error: grpc.aio.AioRpcError, address: EndpointAddress) -> WorkloadApiError:
    """Translates what gRPC raised for a call to `address`."""
    status, details = rpc_error.code(), rpc_error.details() or ""
    if status is grpc.StatusCode.UNAVAILABLE:
        return _unavailable(address, details)
    if status in _BY_STATUS:
        kind, message, hint = _BY_STATUS[status]
        return kind(_with_details(message, details), hint=hint)
    return WorkloadApiError(_with_details(f"the call failed with {status.name}", details))


def _unavailable(address: EndpointAddress, details: str) -> Unavailable:
    path = address.socket_path
    if path is not None:
        problem = _socket_error(path)
        if problem is not None:
            return problem
    return Unavailable(
        _with_details(f"the Workload API at {address} can't be reached", details),
        hint="is the agent running?",
    )


def _socket_error(path: Path) -> Unavailable | None:
    """What is wrong with a socket on this machine, as far as looking at it tells."""
    match socket_problem(path):
        case SocketProblem.MISSING:
            return SocketMissing(
                f"there is no socket at {path}",
                hint="is the agent running, and is this its socket?",
            )
        case SocketProblem.FOLDER_FORBIDDEN:
            return SocketForbidden(
                f"the folder of socket {path} may not be searched by this user",
                hint="run as a user that the agent's socket folder admits",
            )
        case SocketProblem.NOT_A_SOCKET:
            return NotASocket(
                f"{path} is not a socket", hint="give the socket itself, not its folder or a file"
            )
        case SocketProblem.FORBIDDEN:
            return SocketForbidden(
                f"socket {path} may not be opened by this user",
                hint="run as a user that may write to the agent's socket",
            )
    return None


def _with_details(message: str, details: str) -> str:
    return f"{message} ({details[:200]})" if details else message
