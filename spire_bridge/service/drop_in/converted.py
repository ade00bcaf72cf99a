"""What `config convert` gives."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Converted:
    """Native YAML that the loader takes, and what of the old file it does not say."""

    yaml: str
    notes: tuple[str, ...]
