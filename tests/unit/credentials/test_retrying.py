"""Which answers are asked for again, and until when."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest

from spire_bridge.credentials.retrying import Retrying, TryAgain
from spire_bridge.errors import BridgeError
from spire_bridge.transport.backoff import Backoff


@dataclass
class Endpoint:
    """Answers with these one after the other; the last one again and again."""

    answers: list[str | BridgeError]
    now: float = 0.0
    slept: list[float] = field(default_factory=list)
    asked: int = 0

    def ask(self) -> str:
        answer = self.answers[min(self.asked, len(self.answers) - 1)]
        self.asked += 1
        if isinstance(answer, BridgeError):
            raise answer
        return answer

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds

    def retrying(self, timeout_seconds: float = 10.0) -> Retrying:
        def without_jitter() -> Backoff:
            return Backoff(1.0, 4.0, jitter=lambda: 1.0)

        return Retrying(timeout_seconds, without_jitter, lambda: self.now, self.sleep)


BUSY = TryAgain("busy")


def test_an_answer_is_asked_for_once() -> None:
    endpoint = Endpoint(["yes"])
    assert endpoint.retrying()(endpoint.ask) == "yes"
    assert (endpoint.asked, endpoint.slept) == (1, [])


def test_a_busy_endpoint_is_asked_again_after_longer_and_longer() -> None:
    endpoint = Endpoint([BUSY, BUSY, "yes"])
    assert endpoint.retrying()(endpoint.ask) == "yes"
    assert endpoint.slept == [1.0, 2.0]


def test_no_attempt_begins_after_the_timeout() -> None:
    endpoint = Endpoint([BUSY])
    with pytest.raises(TryAgain, match="busy"):
        endpoint.retrying(8.0)(endpoint.ask)
    assert endpoint.slept == [1.0, 2.0, 4.0]  # the next would end at 11 s


def test_a_refusal_is_final() -> None:
    endpoint = Endpoint([BridgeError("no"), "yes"])
    with pytest.raises(BridgeError, match="no"):
        endpoint.retrying()(endpoint.ask)
    assert endpoint.asked == 1


def test_each_call_begins_with_short_waits() -> None:
    endpoint = Endpoint([BUSY, "yes", BUSY, "yes"])
    retrying = endpoint.retrying()
    assert [retrying(endpoint.ask), retrying(endpoint.ask)] == ["yes", "yes"]
    assert endpoint.slept == [1.0, 1.0]
