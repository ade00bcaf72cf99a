"""Verdicts of verifiers: as a table of their clauses, and as JSON."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from spire_bridge.cli.output import print_table
from spire_bridge.cloud.presented_token import shown
from spire_bridge.cloud.rule import Clause, Refusal, Verdict
from spire_bridge.errors import one_line

_MARKS = {"passed": "✓", "failed": "✗", "not reached": "·"}
_WIDEST_CELL = 60
_ASSUMED = "(assumed)"


def print_verdict(verdict: Verdict, place: str) -> None:
    """The clauses, then what comes of them: an identity, or a refusal that is explained."""
    print(f"{verdict.verifier}: {place}\n")
    print_table(("", "CLAUSE", "FOUND", "WANTED"), map(_row, verdict.clauses))
    print()
    for line in _outcome(verdict):
        print(one_line(line))  # a verifier's words may quote what a token says


def verdict_json(verdict: Verdict) -> dict[str, Any]:
    """All that a verdict says."""
    return {
        "title": verdict.verifier,
        "trust": verdict.trust,
        "accepted": verdict.accepted,
        "clauses": [_clause_json(clause) for clause in verdict.clauses],
        "identity": dict(verdict.identity),
    }


def _row(clause: Clause) -> tuple[str, ...]:
    name = f"{clause.name} {_ASSUMED}" if clause.assumed else clause.name
    return _MARKS[clause.outcome], name, _cut(clause.check.found), _cut(clause.check.wanted)


def _cut(text: str) -> str:
    text = one_line(text)
    return text if len(text) <= _WIDEST_CELL else f"{text[: _WIDEST_CELL - 1]}…"


def _outcome(verdict: Verdict) -> Iterator[str]:
    failed, refusal = verdict.failed, verdict.refusal
    if failed is None or refusal is None:
        yield "accepted as"
        for name, value in verdict.identity.items():
            yield f"  {name}: {_value(value)}"
        return
    check = failed.check
    yield f"refused by the clause {failed.name!r}"
    yield f"  found   {check.found or 'nothing'}"
    yield f"  wanted  {check.wanted or 'nothing'}"
    code = f"{refusal.code} " if refusal.code else ""  # Vault answers with text alone
    yield f"  answer  {code}(HTTP {refusal.status}): {_marked(refusal.message, refusal)}"
    if check.fix:
        yield f"  fix     {check.fix}"
    yield f"  source  {_marked(failed.source, failed)}"


def _marked(text: str, what: Clause | Refusal) -> str:
    return f"{text} {_ASSUMED}" if what.assumed else text


def _value(value: Any) -> str:
    if isinstance(value, list | tuple):
        return ", ".join(map(shown, value)) or "none"
    return shown(value)


def _clause_json(clause: Clause) -> dict[str, Any]:
    check = clause.check
    return {
        "name": clause.name,
        "outcome": str(clause.outcome),
        "found": check.found,
        "wanted": check.wanted,
        "answer": _answer_json(check.refusal) if check.refusal is not None else None,
        "fix": check.fix,
        "source": clause.source,
        "assumed": clause.assumed,
    }


def _answer_json(refusal: Refusal) -> dict[str, Any]:
    return {
        "code": refusal.code,
        "message": refusal.message,
        "http_status": refusal.status,
        "assumed": refusal.assumed,
    }
