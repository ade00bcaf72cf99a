"""What CEL answers in place of a value."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Any


class CelFailure(StrEnum):
    MISSING_KEY = "missing key"
    WRONG_TYPE = "wrong type"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class CelError:
    """An error as a value. The message holds nothing of a token but keys."""

    failure: CelFailure
    message: str


def wrong_type(value: Any, wanted: str) -> CelError:
    kind = {str: "string", dict: "map", type(None): "null", float: "double"}.get(
        type(value), type(value).__name__
    )
    return CelError(CelFailure.WRONG_TYPE, f"got {kind}, want {wanted}")
