"""When a kept answer is renewed."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pytest

from spire_bridge.credentials.cache import AnswerCache, Kept

START = 1_700_000_000


@dataclass
class Endpoint:
    """Gives answers that last `life` seconds, and counts them."""

    life: int
    now: int = START
    given: int = 0

    def obtain(self) -> Kept:
        self.given += 1
        return Kept(f"answer {self.given}", self.now + self.life)


@pytest.mark.parametrize(("life", "renewed_after"), [(3600, 2640), (1900, 950), (900, 450)])
def test_an_answer_is_renewed_once_little_is_left_and_at_half_its_life_at_the_earliest(
    tmp_path: Path, life: int, renewed_after: int
) -> None:
    endpoint = Endpoint(life)
    cache = AnswerCache(str(tmp_path), clock=lambda: endpoint.now)

    def content(at: int) -> str:
        endpoint.now = START + at
        return cache.get({"a": "b"}, endpoint.obtain, renew_seconds=960).content

    assert [content(0), content(renewed_after - 1), content(renewed_after)] == [
        *("answer 1", "answer 1", "answer 2")
    ]


def test_an_answer_that_is_over_already_is_not_kept(tmp_path: Path) -> None:
    endpoint = Endpoint(-1)
    cache = AnswerCache(str(tmp_path), clock=lambda: endpoint.now)
    for expected in ("answer 1", "answer 2"):
        assert cache.get({}, endpoint.obtain, renew_seconds=0).content == expected
    assert list(tmp_path.glob("*.json")) == []


def test_an_entry_without_its_time_is_not_taken(tmp_path: Path) -> None:
    endpoint = Endpoint(3600)
    cache = AnswerCache(str(tmp_path), clock=lambda: endpoint.now)
    cache.get({}, endpoint.obtain, renew_seconds=0)
    (file,) = tmp_path.glob("*.json")
    file.write_text(file.read_text().replace("kept_at", "other"))
    assert cache.get({}, endpoint.obtain, renew_seconds=0).content == "answer 2"
