"""What an endpoint says of a refusal, as it may be shown: one line, short, and without a token."""

from __future__ import annotations

import re

_MAX_CHARACTERS = 400
# An endpoint may quote what it can't take, be it the token.
_TOKEN = re.compile(r"eyJ[\w-]{8,}(?:\.[\w-]*)*", re.ASCII)


def shown_answer(text: str) -> str:
    words = " ".join(_TOKEN.sub("(a token)", text).split())
    return words if len(words) <= _MAX_CHARACTERS else f"{words[:_MAX_CHARACTERS]}…"
