"""Tokens of those who are meant by a grant, and of those who resemble them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from spire_bridge.cloud.generate.grant import Grant
from spire_bridge.cloud.generate.workloads import all_below, all_ids


@dataclass(frozen=True, slots=True)
class ClaimedToken:
    """The claims of a token that matter to a grant; `what` it is, to people."""

    what: str
    issuer: str
    subject: str
    audience: str


def meant(grant: Grant) -> Iterator[ClaimedToken]:
    """Tokens that are to be accepted; below a path these are examples."""
    for subject in all_ids(grant.workloads):
        yield ClaimedToken("a subject that is meant", grant.issuer, subject, grant.audience)
    for below in all_below(grant.workloads):
        for rest in ("workload", "some/workload"):
            yield ClaimedToken("a subject below", grant.issuer, below + rest, grant.audience)


def neighbours(grant: Grant) -> Iterator[ClaimedToken]:
    """Tokens that differ from those that are meant by a little, and are to be refused."""
    others: dict[str, str] = {}
    for token in meant(grant):
        yield ClaimedToken("another audience", grant.issuer, token.subject, f"{grant.audience}x")
        yield ClaimedToken("another issuer", f"{grant.issuer}x", token.subject, grant.audience)
        others |= _similar(token.subject)
    for below in all_below(grant.workloads):
        others |= _beside(below)
    for subject, what in others.items():
        if not grant.has(subject):
            yield ClaimedToken(what, grant.issuer, subject, grant.audience)


def _similar(spiffe_id: str) -> dict[str, str]:
    """Subjects that resemble one, with what they are."""
    scheme, _, rest = spiffe_id.partition("://")
    domain, _, path = rest.partition("/")
    parent = spiffe_id.rpartition("/")[0]
    return {
        f"{spiffe_id}x": "a longer subject",
        f"{spiffe_id}/x": "a subject below",
        parent: "the subject above",
        f"{parent}/x": "another subject beside",
        f"{scheme}://{domain}/x/{path}": "the same path deeper",
        f"{scheme}://x{domain}/{path}": "another trust domain",
        f"{scheme}://{domain}.x/{path}": "another trust domain",
        f"{scheme}://{domain}/{path.swapcase()}": "the subject in another case",
        f"{scheme}://x/{spiffe_id}": "the subject within another",
    }


def _beside(below: str) -> dict[str, str]:
    """Subjects that begin as those below a path do."""
    path = below.rstrip("/")
    subjects = (path, f"{path}x", f"{path}-x/workload", f"{path}.x/some/workload")
    return dict.fromkeys(subjects, "a subject beside the path")
