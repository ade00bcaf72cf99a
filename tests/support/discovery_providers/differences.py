"""The deliberate differences from the reference, and whether they explain a pair of answers."""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import Any

from discovery_providers.exchange import Answer, Request
from discovery_providers.programs import ROOT

FILE = ROOT / "docs" / "odp-differences.json"

_FRAMING = frozenset({"content-length", "connection", "transfer-encoding"})


@dataclass(frozen=True)
class Circumstances:
    """What was asked, and on what grounds."""

    request: Request
    prefix: str = ""
    bundle: str = ""
    health: str = ""
    raw: str = ""


@dataclass(frozen=True)
class Observed:
    """One thing that differs; None is what is not there."""

    part: str
    name: str
    ours: str | None
    theirs: str | None
    same_items: bool = False

    def __str__(self) -> str:
        return f"{self.part} {self.name}: ours {self.ours!r}, theirs {self.theirs!r}"


class Differences:
    """Reads the file once; `used` are the entries that have explained something.

    The entries with the IDs `without` explain nothing.
    """

    def __init__(self, without: Collection[str] = ()) -> None:
        entries: list[dict[str, Any]] = json.loads(FILE.read_text())
        self.entries = [entry for entry in entries if entry["id"] not in without]
        self.used: set[str] = set()

    def unexplained(self, about: Circumstances, ours: Answer, theirs: Answer) -> list[Observed]:
        if ours == theirs:
            return []
        for entry in self.entries:
            where = entry["where"]
            if where["part"] == "answer" and _applies(where["when"], about, ours, theirs):
                self.used.add(entry["id"])
                return []
        return [
            seen
            for seen in _observed(ours, theirs)
            if not self._explains(seen, about, ours, theirs)
        ]

    def _explains(self, seen: Observed, about: Circumstances, ours: Answer, theirs: Answer) -> bool:
        for entry in self.entries:
            where = entry["where"]
            if (where["part"], where.get("name", "")) != (seen.part, seen.name):
                continue
            if not _applies(where["when"], about, ours, theirs):
                continue
            if seen.same_items if where.get("same_items") else _values_fit(entry, seen):
                self.used.add(entry["id"])
                return True
        return False


def _values_fit(entry: dict[str, Any], seen: Observed) -> bool:
    pairs = ((entry["ours"], seen.ours), (entry["theirs"], seen.theirs))
    return all(
        value is None if pattern is None else re.search(pattern, value or "") is not None
        for pattern, value in pairs
    )


def _applies(when: dict[str, Any], about: Circumstances, ours: Answer, theirs: Answer) -> bool:
    names = {name.lower() for name, _ in about.request.headers}
    holds = {
        "method": lambda value: about.request.method == value,
        "header": lambda value: value in names,
        "target": lambda value: re.search(value, about.request.target),
        "prefix": lambda value: re.search(value, about.prefix),
        "bundle": lambda value: re.fullmatch(value, about.bundle),
        "health": lambda value: about.health == value,
        "raw": lambda value: about.raw == value,
        "status": lambda value: ours.status == theirs.status and ours.status in value,
        "ours_status": lambda value: ours.status in value,
        "theirs_status": lambda value: theirs.status in value,
        "theirs_body": lambda value: re.search(value, theirs.body.decode()),
    }
    return all(holds[name](value) for name, value in when.items())


def _observed(ours: Answer, theirs: Answer) -> Iterator[Observed]:
    if ours.status != theirs.status:
        yield Observed("status", "", str(ours.status), str(theirs.status))
    for name in sorted((set(ours.headers) | set(theirs.headers)) - _FRAMING):
        if ours.headers.get(name) != theirs.headers.get(name):
            yield Observed("header", name, ours.headers.get(name), theirs.headers.get(name))
    if ours.body != theirs.body:
        yield from _observed_in_bodies(ours.body, theirs.body)


def _observed_in_bodies(ours: bytes, theirs: bytes) -> Iterator[Observed]:
    """Member by member, where both are JSON objects that are written down alike."""
    try:
        mine, other = json.loads(ours), json.loads(theirs)
        members = list(mine) == list(other) and all(
            _written(value) == body for value, body in ((mine, ours), (other, theirs))
        )
    except (ValueError, TypeError):
        members = False
    if not members:
        yield Observed("body", "", ours.decode(), theirs.decode())
        return
    for name in mine:
        texts = [json.dumps(value[name]) for value in (mine, other)]
        if texts[0] != texts[1]:
            items = [sorted(map(json.dumps, value[name])) for value in (mine, other)]
            yield Observed("body", name, *texts, same_items=items[0] == items[1])


def _written(value: Any) -> bytes:
    """JSON as Go's encoder indents and escapes it."""
    text = json.dumps(value, indent=2, ensure_ascii=False)
    for mark in "&<>":
        text = text.replace(mark, f"\\u{ord(mark):04x}")
    return text.encode()
