"""How an output is, as JSON."""

from __future__ import annotations

from typing import Any

from spire_bridge.helper.output import Output, OutputState


def output_status(output: Output, state: OutputState, now: float) -> dict[str, Any]:
    """Times are in seconds since the epoch; `error` is what the last attempt failed with."""
    error = state.error
    return {
        "name": output.name,
        "condition": state.condition(now),
        "ready": state.is_ready(now),
        "paths": [str(path) for path in output.place.paths],
        "written_at": state.written_at,
        "confirmed_at": state.confirmed_at,
        "expires_at": state.expires_at,
        "writes": state.writes,
        "failures": state.failures,
        "error": (
            {"code": error.code, "message": error.message, "hint": error.hint} if error else None
        ),
    }
