"""A verifier of the plainest kind, for what works with any: issuer, key, audience, subject."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from fnmatch import fnmatchcase
from types import SimpleNamespace
from typing import Any

from spire_bridge.cloud.expectation import Expectation
from spire_bridge.cloud.lint_finding import LintFinding, Severity
from spire_bridge.cloud.presentation import Presentation
from spire_bridge.cloud.presented_token import shown
from spire_bridge.cloud.rule import Check, Refusal, Rule, Verdict, judge
from spire_bridge.cloud.subjects import SubjectBound
from spire_bridge.cloud.trust_errors import InvalidTrust

TITLE = "Plain verifier"
MAX_SUBJECT = 100


@dataclass(frozen=True)
class PlainTrust:
    name: str
    issuer: str
    subject: str
    audience: str | None = None
    application: str | None = None


@dataclass(frozen=True)
class Case:
    presentation: Presentation
    trust: PlainTrust

    def claim(self, name: str) -> Any:
        return self.presentation.token.claims.get(name)


def parse_trust(data: bytes, *, name: str) -> PlainTrust:
    try:
        return PlainTrust(name, **json.loads(data))
    except (ValueError, TypeError):
        raise InvalidTrust(f"{name}: it is no plain trust") from None


def _compared(found: Any, wanted: str, code: str, *, same: bool) -> Check:
    refusal = None if same else Refusal(code, f"{code}: {shown(found)}", 403, assumed=True)
    return Check(shown(found), wanted, refusal, f"set {wanted}")


def _issuer(case: Case) -> Check:
    found, wanted = case.claim("iss"), case.trust.issuer
    return _compared(found, wanted, "NoSuchIssuer", same=found == wanted)


def _key(case: Case) -> Check:
    problem = case.presentation.documents.problem
    key = case.presentation.key
    passed = key is not None and case.presentation.is_signed_with(case.presentation.token, key)
    return _compared(problem or "the documents", "a key that fits", "NoSuchKey", same=passed)


def _audience(case: Case) -> Check:
    found, wanted = case.presentation.token.audiences(), case.trust.audience or "any"
    return _compared(list(found), wanted, "NotForUs", same=wanted in (*found, "any"))


def _size(case: Case) -> Check:
    subject = case.presentation.token.text("sub") or ""
    passed = len(subject) <= MAX_SUBJECT
    return _compared(len(subject), str(MAX_SUBJECT), "TooLong", same=passed)


def _subject(case: Case) -> Check:
    found = case.presentation.token.text("sub") or ""
    passed = fnmatchcase(found, case.trust.subject)
    return _compared(found, case.trust.subject, "NotYou", same=passed)


RULES = (
    Rule("issuer", "The plain book, section 1", _issuer),
    Rule("key", "The plain book, section 2", _key),
    Rule("audience", "hearsay", _audience, assumed=True),
    Rule("size", "The plain book, section 3", _size),
    Rule("subject", "The plain book, section 4", _subject),
)


def evaluate(presentation: Presentation, trust: PlainTrust) -> Verdict:
    case = Case(presentation, trust)
    return judge(TITLE, trust.name, RULES, case, lambda c: {"name": c.claim("sub"), "roles": ["a"]})


def lint(trust: PlainTrust) -> Iterator[LintFinding]:
    if trust.subject == "*":
        message = "it accepts every subject of the issuer"
        yield LintFinding("any-subject", Severity.WARNING, trust.name, message, "pin the subject")


def expectations(trust: PlainTrust) -> tuple[Expectation, ...]:
    return (
        Expectation(
            trust.issuer,
            (trust.audience,) if trust.audience else (),
            SubjectBound.matching([trust.subject]),
            pins_audience=trust.audience is not None,
            selecting=frozenset({"subject"}),
            application=trust.application,
        ),
    )


RULES_MODULE = SimpleNamespace(TITLE=TITLE, parse_trust=parse_trust, evaluate=evaluate, lint=lint)


@dataclass(frozen=True)
class PlainVerifier:
    """Stands in for the verifier with this key."""

    key: str
    reads: str = "a plain trust"
    name: str = "plain"
    takes_certificates: bool = False

    @property
    def rules(self) -> Any:
        return RULES_MODULE

    def expectations(self, trust: PlainTrust) -> tuple[Expectation, ...]:
        return expectations(trust)
