"""Counting subjects, and naming a few of many."""

from __future__ import annotations

from collections.abc import Sequence

from spire_bridge.cloud.presented_token import shown

_NAMED = 3


def some(names: Sequence[str]) -> str:
    """The first few, and how many more there are."""
    named = ", ".join(map(shown, names[:_NAMED]))
    return named if len(names) <= _NAMED else f"{named} and {len(names) - _NAMED:,} more"


def subjects_are(count: int) -> str:
    """The beginning of a sentence."""
    return "1 subject is" if count == 1 else f"{count:,} subjects are"
