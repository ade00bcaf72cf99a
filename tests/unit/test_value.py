"""Values behave as frozen dataclasses do."""

from __future__ import annotations

import copy
import pickle
from dataclasses import dataclass

import pytest

from spire_bridge.spiffe.id import SpiffeId
from spire_bridge.value import Value


class Point(Value):
    x: int
    y: int = 0

    _hidden = ("y",)

    def _check(self) -> None:
        if self.x < 0:
            raise ValueError("x")


@dataclass(frozen=True, slots=True, order=True)
class Reference:
    x: int
    y: int = 0


class Other(Value):
    x: int
    y: int = 0


PAIRS = [(0, 0), (0, 1), (1, 0), (2, -1)]


def test_fields_by_place_by_name_and_by_default() -> None:
    assert (Point(1, 2).x, Point(1, 2).y) == (1, 2)
    assert Point(1, 2) == Point(x=1, y=2) == Point(1, y=2)
    assert Point(1) == Point(1, 0)


@pytest.mark.parametrize(("places", "names"), [((), {}), ((1, 2, 3), {}), ((1,), {"z": 1})])
def test_what_a_function_would_refuse(places: tuple[int, ...], names: dict[str, int]) -> None:
    for made in (Point, Reference):
        with pytest.raises(TypeError):
            made(*places, **names)


def test_a_value_that_is_none_is_refused() -> None:
    with pytest.raises(ValueError, match="x"):
        Point(-1)


@pytest.mark.parametrize("one", PAIRS)
@pytest.mark.parametrize("two", PAIRS)
def test_equality_order_and_hash_are_those_of_the_fields(
    one: tuple[int, int], two: tuple[int, int]
) -> None:
    a, b, c, d = Point(*one), Point(*two), Reference(*one), Reference(*two)
    assert (a == b, a != b) == (c == d, c != d)
    assert (a < b, a <= b, a > b, a >= b) == (c < d, c <= d, c > d, c >= d)
    assert (hash(a) == hash(b)) == (one == two)


def test_values_of_two_classes_are_never_equal() -> None:
    assert Point(1) != Other(1)
    assert Point(1) != (1, 0)
    with pytest.raises(TypeError):
        _ = Point(1) < Other(1)  # type: ignore[operator]


def test_nothing_of_a_value_changes() -> None:
    point = Point(1)
    for change in (
        lambda: setattr(point, "x", 2),
        lambda: setattr(point, "z", 2),
        lambda: delattr(point, "x"),
    ):
        with pytest.raises(AttributeError):
            change()
    assert not hasattr(point, "__dict__")


def test_what_is_hidden_is_not_shown() -> None:
    assert repr(Point(1, 2)) == "Point(x=1)"


def test_copies_are_equal() -> None:
    value = SpiffeId.parse("spiffe://example.org/web")
    assert copy.copy(value) == copy.deepcopy(value) == pickle.loads(pickle.dumps(value)) == value


def test_patterns() -> None:
    match Point(1, 2):
        case Point(x, y):
            assert (x, y) == (1, 2)
