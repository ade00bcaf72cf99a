"""IAM's wildcards: `*` is any run of characters, also of slashes, and `?` is any one."""

from __future__ import annotations

import re
from collections.abc import Callable

Matcher = Callable[[str], bool]

# How a wildcard that is meant literally stands in a pattern: characters of private use.
_QUOTED = {"*": "\uf02a", "?": "\uf03f"}
_QUOTE = str.maketrans(_QUOTED)
_UNQUOTE = str.maketrans({code: re.escape(text) for text, code in _QUOTED.items()})


def has_wildcard(text: str) -> bool:
    return "*" in text or "?" in text


def quoted(text: str) -> str:
    """`text` as a pattern that matches nothing else."""
    return text.translate(_QUOTE)


def matcher(pattern: str, *, ignore_case: bool = False) -> Matcher:
    """A test for the whole of a text, in time linear in it whatever the pattern."""
    flags = re.DOTALL | (re.IGNORECASE if ignore_case else 0)
    compiled = re.compile(_expression(pattern), flags)
    return lambda text: compiled.fullmatch(text) is not None


def arn_matcher(pattern: str) -> Matcher:
    """A test for ARNs, part by part: no wildcard reaches over a colon but in the last part."""
    parts = [matcher(part) for part in pattern.split(":", 5)]

    def matches(text: str) -> bool:
        found = text.split(":", 5)
        return len(found) == len(parts) and all(
            part(value) for part, value in zip(parts, found, strict=True)
        )

    return matches


def _expression(pattern: str) -> str:
    first, *rest = (_literal(run) for run in pattern.split("*"))
    if not rest:
        return first
    *middle, last = rest
    # Atomic: the earliest place for a run is as good as any later one, so none is tried again.
    return first + "".join(f"(?>.*?{run})" for run in middle if run) + f".*{last}"


def _literal(run: str) -> str:
    return re.escape(run).replace(r"\?", ".").translate(_UNQUOTE)
