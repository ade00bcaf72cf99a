"""JSON without its ambiguities, for documents on which trust depends.

The standard decoder keeps the last of two equal names, accepts NaN and Infinity, lets
1e999 overflow to infinity and passes lone surrogates on. RFC 8259 section 4 calls the
outcome of repeated names unpredictable; SPIFFE Trust Domain and Bundle section 6.3
asks for their detection.
"""

from __future__ import annotations

import json
import math

from spire_bridge.jose.errors import InvalidJson

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, NoReturn, TypeGuard

MAX_DEPTH = 32  # the decoder's own limit is the interpreter's, and differs between versions


def parse_object(data: bytes, *, what: str, max_bytes: int) -> dict[str, Any]:
    """Reads `data` as one JSON object, UTF-8, of at most `max_bytes` bytes and 32 levels.

    `what` names the document in messages ("token header"). Raises `InvalidJson`; the
    message never quotes the content.
    """
    if len(data) > max_bytes:
        raise InvalidJson(f"{what} is larger than {max_bytes} bytes")
    try:
        value = json.loads(
            data.decode("utf-8"),
            object_pairs_hook=_unique_names,
            parse_constant=_refuse_constant,
            parse_float=_finite,
        )
        _check(value, MAX_DEPTH)
    except InvalidJson as error:
        problem = f": {error.message}"
    except RecursionError:
        problem = ": nested too deeply"
    except ValueError:  # not UTF-8, not JSON, a number of thousands of digits
        problem = " is not valid JSON"
    else:
        if isinstance(value, dict):
            return value
        problem = " is not a JSON object"
    # Raised out here, since the decoder's errors carry the whole text and would be the context.
    raise InvalidJson(f"{what}{problem}")


def is_integer(value: object) -> TypeGuard[int]:
    """Whether a parsed value is a JSON integer; `true` is an int to Python but not to JSON."""
    return isinstance(value, int) and not isinstance(value, bool)


def _check(value: object, levels: int) -> None:
    """Refuses more than `levels` of nesting, and with `ValueError` lone surrogates."""
    if isinstance(value, str):
        value.encode("utf-8")
    elif isinstance(value, dict | list):
        if not levels:
            raise InvalidJson("nested too deeply")
        for name in value if isinstance(value, dict) else ():
            name.encode("utf-8")
        for item in value.values() if isinstance(value, dict) else value:
            _check(item, levels - 1)


def _unique_names(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    names = dict(pairs)
    if len(names) != len(pairs):
        raise InvalidJson("the same name stands twice in one object")
    return names


def _refuse_constant(_: str) -> NoReturn:
    raise InvalidJson("NaN and Infinity are not JSON")


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise InvalidJson("a number is too large")
    return number
