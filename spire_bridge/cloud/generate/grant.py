"""What is generated, told to the verifier's own rules."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from spire_bridge.cloud.generate.workloads import Workloads


def _always(*_: object) -> bool:
    return True


@dataclass(frozen=True, slots=True)
class Grant:
    """A trust that workloads are to be let in by, and nobody else.

    `trust` is what the generated text configures, in the shape that the verifier's
    `parse_trust` takes. Where an accepted token gets nothing by itself, `gets_something` says
    whether its identity does. `is_meant` says whether the identity of a subject is the one
    that is described.
    """

    verifier: str
    place: str
    trust: bytes
    issuer: str
    audience: str
    workloads: tuple[Workloads, ...]
    gets_something: Callable[[Mapping[str, Any]], bool] = _always
    is_meant: Callable[[Mapping[str, Any], str], bool] = _always

    def has(self, subject: str) -> bool:
        return any(workloads.has(subject) for workloads in self.workloads)
