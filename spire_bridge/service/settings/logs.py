"""Settings of the logs of a service."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta

from spire_bridge.service.settings.base import Settings


class LogSettings(Settings, frozen=True):
    """Logging, on standard error."""

    format: Annotated[
        Literal["auto", "json", "text"],
        Meta(description="auto is text on a terminal and json elsewhere"),
    ] = "auto"
    level: Literal["debug", "info", "warning", "error"] = "info"
