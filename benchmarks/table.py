"""One table of ratios, in Markdown."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from statistics import median

_NONE = "-"
_HEADINGS = ("measured", "spire-bridge", "beside it", "ratio", "target", "met")


@dataclass(frozen=True, slots=True)
class Target:
    """A bound for a ratio, or with another unit for our own figure; the limit itself meets it."""

    limit: float
    unit: str = "x"
    at_least: bool = False

    def is_met(self, figure: float) -> bool:
        return figure >= self.limit if self.at_least else figure <= self.limit

    def __str__(self) -> str:
        return f"{'≥' if self.at_least else '≤'} {self.limit:g}{_spaced(self.unit)}"


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the table; `ratio` is ours to the other's."""

    what: str
    ours: str
    other: str = _NONE
    ratio: float | None = None
    target: Target | None = None
    met: bool | None = None

    @classmethod
    def compared(
        cls,
        what: str,
        ours: Sequence[float],
        other: Sequence[float],
        *,
        unit: str,
        beside: str,
        target: Target | None = None,
    ) -> Row:
        """From one figure a round for each of the two: medians, and the median of the ratios."""
        ratio = median(a / b for a, b in zip(ours, other, strict=True))
        return cls(
            what,
            quantity(median(ours), unit),
            f"{beside}: {quantity(median(other), unit)}",
            ratio,
            target,
            target.is_met(ratio if target.unit == "x" else median(ours)) if target else None,
        )

    @classmethod
    def alone(cls, what: str, ours: Sequence[float], *, unit: str, target: Target) -> Row:
        """From one figure a round, with nothing beside it: the median."""
        figure = median(ours)
        return cls(what, quantity(figure, unit), target=target, met=target.is_met(figure))

    @classmethod
    def absent(cls, what: str, reason: str) -> Row:
        return cls(what, "not measured", reason)

    def cells(self) -> tuple[str, ...]:
        return (
            self.what,
            self.ours,
            self.other,
            _NONE if self.ratio is None else f"{self.ratio:.3g}x",
            str(self.target or _NONE),
            {None: _NONE, True: "yes", False: "**no**"}[self.met],
        )


def markdown(rows: Iterable[Row]) -> str:
    """The table, its columns padded for a reader of the plain text."""
    lines = [_HEADINGS, *(row.cells() for row in rows)]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    ruled = [lines[0], tuple("-" * width for width in widths), *lines[1:]]
    return "\n".join(_line(cells, widths) for cells in ruled)


def quantity(figure: float, unit: str) -> str:
    """A figure with three digits that count, and its unit."""
    text = f"{figure:,.0f}" if figure >= 100 else f"{figure:.3g}"
    return f"{text}{_spaced(unit)}"


def _line(cells: Iterable[str], widths: Iterable[int]) -> str:
    return f"| {' | '.join(c.ljust(w) for c, w in zip(cells, widths, strict=True))} |"


def _spaced(unit: str) -> str:
    return unit if unit in {"x", "/s"} else f" {unit}"
