"""The health checks of the drop-in: the reference's paths, statuses and JSON, told truly."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from spire_bridge.files.errors import FileFailure
from spire_bridge.files.owner import OwnerFailure
from spire_bridge.helper.output import OutputState
from spire_bridge.listen.http import Handler, Request, Response
from spire_bridge.publish.odp_routes import go_error, redirection
from spire_bridge.service.drop_in.go_json import go_json
from spire_bridge.service.drop_in.spiffe_helper.config import HealthChecks
from spire_bridge.workload.errors import HintNotFound

# What the reference comes to when it writes; it tells of no other failure.
_FAILED_WRITE = (FileFailure, OwnerFailure, HintNotFound)
_TEXT = {200: "OK", 503: "Service Unavailable"}


@dataclass(frozen=True, slots=True)
class FileStates:
    """How the outputs are: the X.509 files, if there are any, and the others by their path."""

    x509: OutputState | None
    jwt: Mapping[str, OutputState]

    def is_live(self) -> bool:
        """Whether every file can be written."""
        return not any(isinstance(state.error, _FAILED_WRITE) for state in self._all())

    def is_ready(self, now: float) -> bool:
        """Whether every file is there and of use."""
        return all(file_status(state, now) == "written" for state in self._all())

    def to_json(self, now: float) -> dict[str, object]:
        """The reference's `health` member, in the order of its own."""
        x509 = {"x509_write_status": file_status(self.x509, now)} if self.x509 else {}
        jwt = {path: file_status(self.jwt[path], now) for path in sorted(self.jwt)}
        return {"file_write_statuses": {**x509, "jwt_write_status": jwt}}

    def _all(self) -> list[OutputState]:
        return [*([self.x509] if self.x509 else []), *self.jwt.values()]


def file_status(state: OutputState, now: float) -> str:
    """`written`, `unwritten` or `failed`.

    What has expired or was withdrawn counts as failed; what is still good while the agent is
    away counts as written.
    """
    if isinstance(state.error, _FAILED_WRITE):
        return "failed"
    match state.condition(now):
        case "absent":
            return "unwritten"
        case "expired" | "withdrawn":
            return "failed"
    return "written"


def helper_health(
    checks: HealthChecks,
    states: Callable[[], FileStates],
    clock: Callable[[], float] = time.time,
) -> Handler:
    """For any method. A path that ends in a slash stands for all below it, as in Go."""

    def handle(request: Request) -> Response:
        moved = redirection(request)
        if moved is not None:
            return moved
        path = _matching(request.path, (checks.live_path, checks.ready_path))
        if path is None:
            return go_error(404, "404 page not found")
        now, files = clock(), states()
        is_good = files.is_live() if path == checks.live_path else files.is_ready(now)
        status = 200 if is_good else 503
        body = go_json({"status": _TEXT[status], "health": files.to_json(now)})
        return Response(status, (("content-type", "application/json"),), body)

    return handle


def _matching(path: str, patterns: tuple[str, ...]) -> str | None:
    """The longest pattern that the path is, or is below."""
    found = [p for p in patterns if path == p or (p.endswith("/") and path.startswith(p))]
    return max(found, key=len, default=None)
