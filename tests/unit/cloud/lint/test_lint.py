"""Findings about descriptions, beside each other and for subjects."""

from __future__ import annotations

from typing import Any, cast

import pytest
from plain_verifier import PlainTrust, PlainVerifier

from spire_bridge.cloud.lint.lint import lint
from spire_bridge.cloud.lint.question import Question
from spire_bridge.cloud.lint_finding import LintFinding, Severity
from spire_bridge.cloud.trust_description import TrustDescription
from spire_bridge.cloud.verifiers import Verifier

ISSUER = "https://issuer.example.org"
WEB, DB = "spiffe://example.org/web", "spiffe://example.org/db"
PLAIN, OTHER = (cast("Verifier", PlainVerifier(key)) for key in ("aws", "gcp"))


def described(place: str, subject: str = WEB, **changes: Any) -> TrustDescription:
    values = {"issuer": ISSUER, "audience": "here", **changes}
    return TrustDescription(PLAIN, place, PlainTrust(place, subject=subject, **values))


def findings(
    *descriptions: TrustDescription, subjects: tuple[str, ...] = (), **question: Any
) -> list[LintFinding]:
    places = {subject: f"ids:{number}" for number, subject in enumerate(subjects, 1)}
    return list(lint(Question(descriptions, places, now=1_000_000, **question)))


def only(found: list[LintFinding], rule: str) -> LintFinding:
    (finding,) = (finding for finding in found if finding.rule == rule)
    return finding


def test_nothing_to_find() -> None:
    assert findings() == []
    good = (described("a"), described("b", DB))
    assert findings(*good, subjects=(WEB, DB), issuer=ISSUER) == []


def test_what_a_verifier_finds_by_itself() -> None:
    (finding,) = findings(described("a", "*"))
    assert (finding.rule, finding.place) == ("plain-any-subject", "a")


@pytest.mark.parametrize("spelled", [f"{ISSUER}/", "https://Issuer.example.org"])
def test_an_issuer_in_two_spellings(spelled: str) -> None:
    (finding,) = findings(described("a"), described("b", issuer=spelled))
    assert finding.severity is Severity.ERROR
    assert (finding.rule, finding.place) == ("issuer-spelling", "b")
    assert finding.message == f"it trusts {spelled}, and a names it {ISSUER}"
    (finding,) = findings(described("a"), described("b", issuer=spelled), issuer=spelled)
    assert (finding.rule, finding.place) == ("issuer-spelling", "a")
    assert "the issuer is" in finding.message


def test_another_issuer() -> None:
    other = described("b", issuer="https://other.example.org")
    (finding,) = findings(described("a"), other, issuer=ISSUER)
    assert (finding.rule, finding.place) == ("other-issuer", "b")


def test_an_audience_that_only_one_pins() -> None:
    loose = described("b", audience=None)
    (finding,) = findings(described("a"), loose)
    assert (finding.rule, finding.place) == ("audience-not-pinned", "b")
    assert findings(loose, described("c", audience=None)) == []
    elsewhere = described("c", audience=None, issuer="https://other.example.org")
    assert findings(described("a"), elsewhere) == []


@pytest.mark.parametrize(("count", "too_many"), [(20, False), (21, True)])
def test_an_application_has_so_many_credentials(count: int, too_many: bool) -> None:
    many = [described(f"p{n}", f"{WEB}/{n}", application="app") for n in range(count)]
    found = findings(*many, described("other", application="other"))
    assert [(f.rule, f.place) for f in found] == (
        [("too-many-credentials", "p20")] if too_many else []
    )


@pytest.mark.parametrize(
    ("length", "rules"),
    [
        (127, []),
        (128, ["google"]),
        (255, ["google"]),
        (256, ["oidc", "google"]),
        (600, ["oidc", "google"]),
        (601, ["entra", "oidc", "google"]),
    ],
)
def test_long_subjects(length: int, rules: list[str]) -> None:
    found = findings(subjects=(WEB, WEB.ljust(length, "x")))
    assert [finding.rule for finding in found] == [f"subject-too-long-for-{r}" for r in rules]
    assert all(finding.place == "ids:2" for finding in found)


def test_subjects_that_none_accepts_or_several_do() -> None:
    found = findings(
        described("a", "spiffe://example.org/*"),
        described("b"),
        described("c", "spiffe://other.org/x"),
        subjects=(WEB, DB, "spiffe://other.org/db"),
    )
    assert only(found, "accepts-none").place == "c"
    by_none = only(found, "accepted-by-none")
    assert by_none.place == "ids:3"
    assert by_none.message == "1 subject is accepted by no description: spiffe://other.org/db"
    by_several = only(found, "accepted-by-several")
    assert by_several.message == f"1 subject is accepted by 2 descriptions (a, b): {WEB}"
    assert {finding.severity for finding in found} == {Severity.NOTE}


def test_a_subject_is_expected_to_be_somebody_at_several_verifiers() -> None:
    elsewhere = TrustDescription(OTHER, "b", PlainTrust("b", ISSUER, WEB, "here"))
    assert findings(described("a"), elsewhere, subjects=(WEB,)) == []


def test_many_subjects_are_a_few_findings() -> None:
    subjects = tuple(f"spiffe://example.org/{n:04}" for n in range(1000))
    found = findings(described("a", "spiffe://example.org/0000"), subjects=subjects)
    by_none = only(found, "accepted-by-none")
    assert by_none.message.startswith("999 subjects are accepted by no description: ")
    assert by_none.message.endswith(
        "/0001, spiffe://example.org/0002, spiffe://example.org/0003 and 996 more"
    )


def test_a_subject_that_is_meant_and_refused() -> None:
    long = "spiffe://example.org/" + "x" * 100
    found = findings(described("a", "spiffe://example.org/*"), subjects=(WEB, long))
    refused = only(found, "subject-refused")
    assert (refused.severity, refused.place) == (Severity.ERROR, "a")
    assert refused.message == f"1 subject is refused by the clause 'size' (TooLong: 121): {long}"
    assert refused.fix == "set 100"


def test_progress_is_told() -> None:
    told: list[tuple[int, int]] = []
    findings(
        described("a"),
        described("b", DB),
        subjects=(WEB, DB),
        progress=lambda done, total: told.append((done, total)),
    )
    assert told == [(1, 2), (2, 2)]
