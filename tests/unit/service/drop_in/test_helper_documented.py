"""The differences from spiffe-helper, told to people and to programs."""

from __future__ import annotations

from spiffe_helpers.differences import ENTRIES, FILE


def row(name: str, entry: dict[str, str | None]) -> str:
    told = (entry[part] or "" for part in ("ours", "theirs", "reason", "switch_back"))
    return f"| `{name}` | {' | '.join(told)} |"


def test_the_table_is_the_file() -> None:
    _, text = (FILE.parent / "helper.md").read_text().split("## In place of spiffe-helper")
    rows = [line for line in text.splitlines() if line.startswith("| `")]
    assert rows == [row(name, entry) for name, entry in ENTRIES.items()]
