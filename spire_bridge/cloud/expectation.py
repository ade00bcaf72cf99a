"""What a trust asks of tokens, as far as it can be told without one."""

from __future__ import annotations

from dataclasses import dataclass, field

from spire_bridge.cloud.subjects import SubjectBound


@dataclass(frozen=True, slots=True)
class Expectation:
    """The issuer, audience and subjects of tokens that a trust is meant for.

    The issuer is empty where the description does not say it. Any of `audiences` will do;
    `pins_audience` is false if others do, too. `selecting` names the verifier's clauses by which
    the trust chooses among subjects: that one fails there is as it should be, and elsewhere it
    is not. `is_decided` says that it makes no difference between subjects within the bound but
    by their length. `application` groups what shares a limit.
    """

    issuer: str
    audiences: tuple[str, ...]
    subjects: SubjectBound
    pins_audience: bool = True
    selecting: frozenset[str] = field(default_factory=frozenset)
    is_decided: bool = False
    application: str | None = None
