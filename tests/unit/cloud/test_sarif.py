"""Findings as SARIF 2.1.0: what its schema demands of the parts that are used."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import urlsplit

from spire_bridge.cloud.lint_finding import LintFinding, Severity
from spire_bridge.cloud.sarif import sarif

FINDINGS = (
    LintFinding(
        "subject-not-pinned",
        Severity.ERROR,
        "roles/web role.json: Statement[0]",
        "any subject is accepted",
        "pin sub with StringEquals",
    ),
    LintFinding("unknown-operator", Severity.WARNING, "/etc/a.json", "'X' is none", ""),
    LintFinding("subject-not-pinned", Severity.NOTE, "plan.json:module.a.b[0]", "ü", "fix it"),
)

# The members that sarif-schema-2.1.0.json requires of an object, and those that it knows.
KNOWN = {
    "log": ({"version", "runs"}, {"$schema"}),
    "run": ({"tool"}, {"results", "columnKind"}),
    "driver": ({"name"}, {"semanticVersion", "rules"}),
    "rule": ({"id"}, {"shortDescription"}),
    "result": ({"message"}, {"ruleId", "ruleIndex", "level", "locations"}),
    "location": (set(), {"physicalLocation", "logicalLocations"}),
    "physical": (set(), {"artifactLocation", "region"}),
}


def conforms(kind: str, value: dict[str, Any]) -> None:
    required, optional = KNOWN[kind]
    assert required <= value.keys() <= required | optional, (kind, value)


def test_the_log_is_what_the_schema_allows() -> None:
    log = json.loads(json.dumps(sarif(FINDINGS, version="0.1.0")))
    conforms("log", log)
    assert log["version"] == "2.1.0"
    (run,) = log["runs"]
    conforms("run", run)
    assert run["columnKind"] in {"utf16CodeUnits", "unicodeCodePoints"}
    assert run["tool"].keys() == {"driver"}
    driver = run["tool"]["driver"]
    conforms("driver", driver)
    for rule in driver["rules"]:
        conforms("rule", rule)
        assert rule["shortDescription"]["text"]
    assert len(run["results"]) == len(FINDINGS)
    for result in run["results"]:
        conforms("result", result)
        assert driver["rules"][result["ruleIndex"]]["id"] == result["ruleId"]
        assert result["level"] in {"none", "note", "warning", "error"}
        assert result["message"].keys() == {"text"}
        for location in result["locations"]:
            conforms("location", location)
            physical = location["physicalLocation"]
            conforms("physical", physical)
            assert physical["region"]["startLine"] >= 1
            assert " " not in physical["artifactLocation"]["uri"]
            urlsplit(physical["artifactLocation"]["uri"])


def test_places_and_words() -> None:
    spaced, absolute, planned = sarif(FINDINGS, version="0")["runs"][0]["results"]
    assert spaced["message"]["text"] == "any subject is accepted. pin sub with StringEquals."
    assert absolute["message"]["text"] == "'X' is none."
    (place,) = spaced["locations"]
    assert place["physicalLocation"]["artifactLocation"]["uri"] == "roles/web%20role.json"
    assert place["logicalLocations"] == [{"fullyQualifiedName": "Statement[0]"}]
    (place,) = absolute["locations"]
    assert place["physicalLocation"]["artifactLocation"]["uri"] == "file:///etc/a.json"
    assert "logicalLocations" not in place
    (place,) = planned["locations"]
    assert place["logicalLocations"] == [{"fullyQualifiedName": "module.a.b[0]"}]


def test_no_findings_are_a_run_too() -> None:
    (run,) = sarif((), version="0")["runs"]
    assert run["results"] == run["tool"]["driver"]["rules"] == []
