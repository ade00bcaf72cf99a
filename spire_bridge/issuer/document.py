"""A JSON document as bytes that change only with its content."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from typing import Any, Self


@dataclass(frozen=True, slots=True)
class Document:
    """A JSON document and its strong entity tag, quotes included."""

    body: bytes
    etag: str

    @classmethod
    def of(cls, value: dict[str, Any]) -> Self:
        body = json.dumps(value, indent=2).encode()
        return cls(body, f'"{hashlib.sha256(body).hexdigest()[:32]}"')
