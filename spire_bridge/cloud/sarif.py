"""Findings as SARIF 2.1.0, which code hosts show beside the lines that they are about.

https://docs.oasis-open.org/sarif/sarif/v2.1.0/sarif-v2.1.0.html; section numbers are of it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from urllib.parse import quote

from spire_bridge.cloud.lint_finding import LintFinding

SCHEMA = "https://json.schemastore.org/sarif-2.1.0.json"


def sarif(findings: Sequence[LintFinding], *, version: str) -> dict[str, Any]:
    """One run of this program; `version` is the program's."""
    rules = sorted({finding.rule for finding in findings})
    driver = {
        "name": "spire-bridge",
        "semanticVersion": version,
        "rules": [{"id": rule, "shortDescription": {"text": _words(rule)}} for rule in rules],
    }
    results = [_result(finding, rules.index(finding.rule)) for finding in findings]
    run = {"tool": {"driver": driver}, "columnKind": "unicodeCodePoints", "results": results}
    return {"$schema": SCHEMA, "version": "2.1.0", "runs": [run]}


def _words(rule: str) -> str:
    words = rule.replace("-", " ")
    return f"{words[:1].upper()}{words[1:]}"


def _result(finding: LintFinding, rule_index: int) -> dict[str, Any]:
    return {
        "ruleId": finding.rule,
        "ruleIndex": rule_index,
        "level": str(finding.severity),  # SARIF's levels have these names, section 3.27.10
        "message": {"text": _sentences(finding)},
        "locations": [_location(finding.place)],
    }


def _sentences(finding: LintFinding) -> str:
    return f"{finding.message}. {finding.fix}." if finding.fix else f"{finding.message}."


def _location(place: str) -> dict[str, Any]:
    """The file by its URI (section 3.4), what is meant in it by name (section 3.33).

    Where no line is known it is the first: code hosts show nothing without one.
    """
    file, _, inside = place.partition(":")
    line = int(inside) if inside.isascii() and inside.isdecimal() else 1
    uri = f"file://{quote(file)}" if file.startswith("/") else quote(file)
    physical = {"artifactLocation": {"uri": uri}, "region": {"startLine": line}}
    if not inside or inside == str(line):
        return {"physicalLocation": physical}
    logical = [{"fullyQualifiedName": inside.strip()}]
    return {"physicalLocation": physical, "logicalLocations": logical}
