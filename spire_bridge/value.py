"""Frozen values without the standard `dataclasses`.

That module loads `inspect` and compiles six methods for each class: together a third of the time
of a command that fetches one token. What such a command touches is made of these; everything
else is a dataclass.
"""

from __future__ import annotations

from operator import attrgetter

TYPE_CHECKING = False  # here and below `typing` is for the type checker, and takes as long to load
if TYPE_CHECKING:
    from typing import Any, ClassVar, NoReturn, Self
    from typing import dataclass_transform as _made_like_dataclasses
else:

    def _made_like_dataclasses(**_):
        return lambda made: made


class _ValueType(type):
    """Makes slots of a class's annotated names, and a constructor that takes them in order."""

    def __new__(mcs, name: str, bases: tuple[type, ...], namespace: dict[str, Any]) -> _ValueType:
        fields = tuple(namespace.get("__annotations__", ())) if bases else ()
        defaults = {field: namespace.pop(field) for field in fields if field in namespace}
        named = {"__slots__": fields, "__match_args__": fields, "_fields": fields}
        made = super().__new__(mcs, name, bases, namespace | named)
        if fields:
            made._compared = attrgetter(*fields)  # type: ignore[attr-defined]
            made.__init__ = _constructor(made, fields, defaults)  # type: ignore[misc]
        return made


def _constructor(owner: type, fields: tuple[str, ...], defaults: dict[str, Any]) -> Any:
    parameters = [f"{f}=_defaults[{f!r}]" if f in defaults else f for f in fields]
    setters = {f"_set_{field}": owner.__dict__[field].__set__ for field in fields}
    body = "; ".join(f"_set_{field}(self, {field})" for field in fields)
    scope: dict[str, Any] = {"_defaults": defaults, **setters}
    # As the standard library makes its own: nothing else is as quick to call.
    exec(f"def __init__(self, {', '.join(parameters)}): {body}; self._check()", scope)  # noqa: S102
    return scope["__init__"]


@_made_like_dataclasses(frozen_default=True)
class Value(metaclass=_ValueType):
    """A value whose fields are the annotated names of its class, as in a frozen dataclass.

    It is equal to, and ordered among, values of its own class. `_hidden` names the fields that
    `repr` leaves out. `_check` may raise for what is no such value.
    """

    _fields: ClassVar[tuple[str, ...]] = ()
    _compared: ClassVar[attrgetter[Any]]
    _hidden: ClassVar[tuple[str, ...]] = ()

    def _check(self) -> None:
        """For classes that refuse some values."""

    def __setattr__(self, name: str, value: object) -> NoReturn:
        raise AttributeError(f"{type(self).__name__} is immutable: {name}")

    def __delattr__(self, name: str) -> NoReturn:
        raise AttributeError(f"{type(self).__name__} is immutable: {name}")

    def __reduce__(self) -> tuple[type[Self], tuple[Any, ...]]:
        return type(self), tuple(getattr(self, field) for field in self._fields)

    def __hash__(self) -> int:
        return hash(self._compared(self))

    def __eq__(self, other: object) -> bool:
        same = type(other) is type(self)
        return self._compared(self) == self._compared(other) if same else NotImplemented

    def __lt__(self, other: Self) -> bool:
        same = type(other) is type(self)
        return self._compared(self) < self._compared(other) if same else NotImplemented

    def __le__(self, other: Self) -> bool:
        same = type(other) is type(self)
        return self._compared(self) <= self._compared(other) if same else NotImplemented

    def __gt__(self, other: Self) -> bool:
        same = type(other) is type(self)
        return self._compared(self) > self._compared(other) if same else NotImplemented

    def __ge__(self, other: Self) -> bool:
        same = type(other) is type(self)
        return self._compared(self) >= self._compared(other) if same else NotImplemented

    def __repr__(self) -> str:
        shown = [field for field in self._fields if field not in self._hidden]
        return f"{type(self).__name__}({', '.join(f'{f}={getattr(self, f)!r}' for f in shown)})"
