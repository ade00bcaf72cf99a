"""Checks one after the other; what depends on a failed one is not reached."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from spire_bridge.errors import BridgeError
from spire_bridge.service.doctor.context import Context
from spire_bridge.service.doctor.finding import Finding, Outcome

# What is known after a check, and what it found. A `BridgeError` is a failure, too.
Run = Callable[[Context], tuple[Context, tuple[Finding, ...]]]


@dataclass(frozen=True, slots=True)
class Check:
    """One step; `needs` names the checks without whose success it makes no sense."""

    name: str
    run: Run
    needs: tuple[str, ...] = ()


def walk(checks: Iterable[Check], context: Context) -> Iterator[Finding]:
    """The findings in order, each as soon as it is there."""
    causes: dict[str, str] = {}  # of checks that failed or were not reached: the first failure
    for check in checks:
        cause = next((causes[need] for need in check.needs if need in causes), None)
        if cause is not None:
            causes[check.name] = cause
            yield Finding.not_reached(check.name, cause)
            continue
        try:
            context, findings = check.run(context)
        except BridgeError as error:
            findings = (Finding.of(check.name, error),)
        if any(finding.outcome is Outcome.FAIL for finding in findings):
            causes[check.name] = check.name
        yield from findings


def first_break(findings: Iterable[Finding]) -> Finding | None:
    return next((finding for finding in findings if finding.outcome is Outcome.FAIL), None)
