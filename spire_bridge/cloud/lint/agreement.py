"""Descriptions beside each other, and beside the issuer that they are to trust."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence

from spire_bridge.cloud.entra.limits import MAX_CREDENTIALS
from spire_bridge.cloud.expectation import Expectation
from spire_bridge.cloud.lint.question import Asking
from spire_bridge.cloud.lint_finding import LintFinding, Severity
from spire_bridge.cloud.presented_token import shown


def lint_agreement(asking: Sequence[Asking], issuer: str | None) -> Iterator[LintFinding]:
    """Where descriptions contradict each other, or the issuer's URL."""
    of_issuer: dict[str, list[tuple[Asking, Expectation]]] = defaultdict(list)
    for item in asking:
        for expectation in filter(_names_issuer, item.expectations):
            of_issuer[_normalized(expectation.issuer)].append((item, expectation))
    for normalized, group in of_issuer.items():
        named = issuer if issuer is not None and _normalized(issuer) == normalized else None
        yield from _spellings(group, named)
        yield from _pins(group)
    if issuer is not None:
        yield from _strangers(asking, _normalized(issuer), issuer)
    yield from _applications(asking)


def _names_issuer(expectation: Expectation) -> bool:
    return bool(expectation.issuer)


def _normalized(issuer: str) -> str:
    """What two spellings of one issuer's URL have in common."""
    return issuer.removeprefix("https://").rstrip("/").lower()


def _spellings(
    group: Sequence[tuple[Asking, Expectation]], issuer: str | None
) -> Iterator[LintFinding]:
    """Every verifier compares the issuer byte for byte: a last slash makes another of it."""
    first, expectation = group[0]
    right = issuer if issuer is not None else expectation.issuer
    whose = "the issuer is" if issuer is not None else f"{first.place} names it"
    for item, other in group:
        if other.issuer != right:
            yield LintFinding(
                "issuer-spelling",
                Severity.ERROR,
                item.place,
                f"it trusts {shown(other.issuer)}, and {whose} {shown(right)}",
                f"write {shown(right)}, byte for byte as in the token's iss",
            )


def _pins(group: Sequence[tuple[Asking, Expectation]]) -> Iterator[LintFinding]:
    pinned = [item for item, expectation in group if expectation.pins_audience]
    loose = [item for item, expectation in group if not expectation.pins_audience]
    for item in loose if pinned else ():
        yield LintFinding(
            "audience-not-pinned",
            Severity.WARNING,
            item.place,
            f"it takes tokens of any audience, and {pinned[0].place} pins one",
            "pin the audience here, too: else a token for another service is good here",
        )


def _strangers(asking: Iterable[Asking], normalized: str, issuer: str) -> Iterator[LintFinding]:
    for item in asking:
        named = [expectation.issuer for expectation in filter(_names_issuer, item.expectations)]
        if named and all(_normalized(name) != normalized for name in named):
            yield LintFinding(
                "other-issuer",
                Severity.WARNING,
                item.place,
                f"it trusts {', '.join(map(shown, named))}, and not {shown(issuer)}",
                "name the issuer of the tokens, or leave this description out",
            )


def _applications(asking: Iterable[Asking]) -> Iterator[LintFinding]:
    credentials: dict[str, list[Asking]] = defaultdict(list)
    for item in asking:
        for expectation in item.expectations:
            if expectation.application is not None:
                credentials[expectation.application].append(item)
    for application, items in credentials.items():
        if len(items) > MAX_CREDENTIALS:
            yield LintFinding(
                "too-many-credentials",
                Severity.ERROR,
                items[MAX_CREDENTIALS].place,
                f"the application {shown(application)} has {len(items)} federated credentials, "
                f"and Entra keeps {MAX_CREDENTIALS}",
                "divide the workloads among several applications",
            )
