"""What a call of the Server API can end with, as errors with a code and an exit status."""

from __future__ import annotations

import grpc.aio

from spire_bridge.errors import (
    EXIT_NOT_PERMITTED,
    EXIT_UNAVAILABLE,
    EXIT_USAGE,
    BridgeError,
)
from spire_bridge.server_api.address import ServerAddress
from spire_bridge.transport.unix_socket import SocketProblem, socket_problem


class ServerApiError(BridgeError):
    """A call failed in a way that has no class of its own below."""

    code = "SERVER_API_FAILED"


class PermissionDenied(ServerApiError):
    """The server does not let this caller make the call."""

    code = "PERMISSION_DENIED"
    exit_status = EXIT_NOT_PERMITTED


class Unavailable(ServerApiError):
    """The server can't be reached or isn't ready; a later attempt may succeed."""

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
    """The server did not answer in time."""

    code = "DEADLINE_EXCEEDED"


class Unimplemented(ServerApiError):
    """What answers does not offer this call."""

    code = "UNIMPLEMENTED"


class UnexpectedAnswer(ServerApiError):
    """The answer breaks the API, or is not what was asked for."""

    code = "UNEXPECTED_ANSWER"


_BY_STATUS: dict[grpc.StatusCode, tuple[type[ServerApiError], str, str | None]] = {
    grpc.StatusCode.PERMISSION_DENIED: (
        PermissionDenied,
        "the server does not permit this call",
        "GetBundle needs no right: has the server a policy of its own?",
    ),
    grpc.StatusCode.DEADLINE_EXCEEDED: (
        DeadlineExceeded,
        "the server did not answer in time",
        "look at the server's log, or allow more time",
    ),
    grpc.StatusCode.UNIMPLEMENTED: (
        Unimplemented,
        "what answers there does not offer this call",
        "is this the address of a SPIRE server, and not of an agent?",
    ),
}


def error_of(rpc_error: grpc.aio.AioRpcError, address: ServerAddress) -> ServerApiError:
    """Translates what gRPC raised for a call to `address`."""
    status, details = rpc_error.code(), rpc_error.details() or ""
    if status is grpc.StatusCode.UNAVAILABLE:
        return _socket_error(address) or Unavailable(
            _with_details(f"the Server API at {address} can't be reached", details),
            hint="is the server running?",
        )
    if status in _BY_STATUS:
        kind, message, hint = _BY_STATUS[status]
        return kind(_with_details(message, details), hint=hint)
    return ServerApiError(_with_details(f"the call failed with {status.name}", details))


def _socket_error(address: ServerAddress) -> Unavailable | None:
    path = address.socket_path
    match socket_problem(path):
        case SocketProblem.MISSING:
            return SocketMissing(
                f"there is no socket at {path}",
                hint="is the server running, and is this its socket?",
            )
        case SocketProblem.FOLDER_FORBIDDEN:
            return SocketForbidden(
                f"the folder of socket {path} may not be searched by this user",
                hint="the server's socket admits its own user and group: run as one of them",
            )
        case SocketProblem.NOT_A_SOCKET:
            return NotASocket(
                f"{path} is not a socket", hint="give the socket itself, not its folder or a file"
            )
        case SocketProblem.FORBIDDEN:
            return SocketForbidden(
                f"socket {path} may not be opened by this user",
                hint="the server's socket admits its own user and group: run as one of them",
            )
    return None


def _with_details(message: str, details: str) -> str:
    return f"{message} ({details[:200]})" if details else message
