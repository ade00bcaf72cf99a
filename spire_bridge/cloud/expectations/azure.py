"""What an application's federated identity credentials ask of tokens."""

from __future__ import annotations

from spire_bridge.cloud.entra.trust import EntraTrust
from spire_bridge.cloud.expectation import Expectation
from spire_bridge.cloud.subjects import SubjectBound

_SELECTING = frozenset({"subject"})


def expectations(trust: EntraTrust) -> tuple[Expectation, ...]:
    """One for each credential; a flexible one is for other issuers than ours."""
    return tuple(
        Expectation(
            credential.issuer,
            credential.audiences,
            SubjectBound(exact=frozenset({credential.subject})),
            selecting=_SELECTING,
            application=trust.application or None,
        )
        for credential in trust.credentials
        if not credential.expression
    )
