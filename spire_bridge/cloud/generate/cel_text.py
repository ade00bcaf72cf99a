"""Conditions on a token's subject in CEL."""

from __future__ import annotations

import json
from collections.abc import Sequence

from spire_bridge.cloud.generate.workloads import Workloads, all_below, all_ids


def cel_string(text: str) -> str:
    """A string literal that stands for `text`."""
    inner = json.dumps(text, ensure_ascii=False)[1:-1].replace('\\"', '"')
    escaped = inner.replace("'", "\\'")
    return f"'{escaped}'"


def subject_terms(subject: str, several: Sequence[Workloads]) -> list[str]:
    """One of these holds if the subject, an expression, is of the workloads."""
    return [
        *(f"{subject} == {cel_string(spiffe_id)}" for spiffe_id in all_ids(several)),
        *(f"{subject}.startsWith({cel_string(below)})" for below in all_below(several)),
    ]


def subject_condition(subject: str, several: Sequence[Workloads], *, lines: bool = False) -> str:
    """The same with the IDs in a list, on one line or on a line each."""
    ids = [cel_string(spiffe_id) for spiffe_id in all_ids(several)]
    begin, between, end, either = ("", ", ", "", " || ")
    if lines:
        begin, between, end, either = ("\n  ", ",\n  ", "\n", " ||\n")
    listed = f"{subject} in [{begin}{between.join(ids)}{end}]"
    equal = f"{subject} == {ids[0]}" if len(ids) == 1 else listed
    below = (f"{subject}.startsWith({cel_string(path)})" for path in all_below(several))
    return either.join([*([equal] if ids else []), *below])
