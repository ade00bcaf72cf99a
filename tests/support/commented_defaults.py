"""Example configurations, in which each setting that is commented out stands with its default."""

from __future__ import annotations


def with_defaults(text: str) -> str:
    """The example with all of them in force."""
    return "\n".join(
        line.replace("# ", "", 1) if _is_setting(line) else line for line in text.splitlines()
    )


def _is_setting(line: str) -> bool:
    comment = line.lstrip()
    first, _, _ = comment.removeprefix("#").strip().partition(" ")
    return comment.startswith("# ") and first.endswith(":") and first[:-1].isidentifier()
