"""Keys are prepared, activated, tainted, revoked and pruned as in SPIRE, for both kinds."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from spire_bridge.sandbox.errors import SandboxError
from spire_bridge.sandbox.jwt_authority import JwtAuthority, KeyType
from spire_bridge.sandbox.life_cycle import Authority, KeyState
from spire_bridge.sandbox.x509_authority import X509Authority

DAY = 86_400


class Changes:
    """Counts calls."""

    count = 0

    def __call__(self) -> None:
        self.count += 1


@pytest.fixture
def changes() -> Changes:
    return Changes()


@pytest.fixture(params=["jwt", "x509"])
def authority(
    request: pytest.FixtureRequest, clock: Callable[[], float], changes: Changes
) -> Authority[Any]:
    if request.param == "jwt":
        return JwtAuthority(clock, key_type=KeyType.EC_P256, on_change=changes)
    return X509Authority(clock, trust_domain_id="spiffe://example.org", on_change=changes)


def current_id(authority: Authority[Any]) -> str:
    assert authority.current is not None
    return str(authority.current.key_id)


def test_starts_with_one_active_key(authority: Authority[Any]) -> None:
    assert dict(authority.states) == {current_id(authority): KeyState.ACTIVE}


def test_a_prepared_key_is_published_and_does_not_sign(
    authority: Authority[Any], changes: Changes
) -> None:
    first = current_id(authority)
    second = authority.prepare()
    assert current_id(authority) == first
    assert dict(authority.states) == {first: KeyState.ACTIVE, second: KeyState.PREPARED}
    assert [key.key_id for key in authority.keys] == [first, second]
    assert changes.count == 1


@pytest.mark.parametrize("named", [False, True])
def test_activation_makes_the_former_key_an_old_one(authority: Authority[Any], named: bool) -> None:
    first, second = current_id(authority), authority.prepare()
    authority.activate(second if named else None)
    assert dict(authority.states) == {first: KeyState.OLD, second: KeyState.ACTIVE}


def test_only_the_prepared_key_can_be_activated(authority: Authority[Any]) -> None:
    first = current_id(authority)
    with pytest.raises(SandboxError, match="prepared"):
        authority.activate()
    authority.prepare()
    with pytest.raises(SandboxError, match="prepared"):
        authority.activate(first)


def test_a_second_prepare_orphans_the_first_key(authority: Authority[Any]) -> None:
    first = authority.prepare()
    second = authority.prepare()
    assert authority.states[first] is KeyState.OLD
    with pytest.raises(SandboxError, match="prepared"):
        authority.activate(first)
    authority.activate(second)
    assert len(authority.keys) == 3


def test_only_an_old_key_can_be_tainted(authority: Authority[Any]) -> None:
    first, second = current_id(authority), authority.prepare()
    for key_id in (first, second, "unknown"):
        with pytest.raises(SandboxError):
            authority.taint(key_id)
    authority.activate()
    authority.taint(first)
    assert authority.states[first] is KeyState.TAINTED
    assert len(authority.keys) == 2


def test_every_key_can_be_revoked(authority: Authority[Any], changes: Changes) -> None:
    first, second = current_id(authority), authority.prepare()
    authority.revoke(second)
    authority.revoke(first)
    assert authority.keys == ()
    assert authority.current is None
    assert changes.count == 3
    with pytest.raises(SandboxError, match="no key"):
        authority.revoke(first)


def test_a_new_key_can_follow_after_all_were_revoked(authority: Authority[Any], clock: Any) -> None:
    authority.revoke(current_id(authority))
    clock.advance(10 * DAY)
    authority.tick()
    assert authority.keys == ()
    authority.activate(authority.prepare())
    assert len(authority.keys) == 1


def test_keys_rotate_by_the_clock(authority: Authority[Any], clock: Any) -> None:
    first = current_id(authority)
    clock.advance(DAY / 2 - 1)
    authority.tick()
    assert len(authority.keys) == 1
    clock.advance(1)
    authority.tick()
    authority.tick()
    assert current_id(authority) == first
    assert sorted(authority.states.values()) == [KeyState.ACTIVE, KeyState.PREPARED]
    clock.advance(DAY / 3)
    authority.tick()
    assert authority.states[first] is KeyState.OLD
    assert len(authority.keys) == 2


def test_a_long_sleep_is_made_up_for_in_one_tick(authority: Authority[Any], clock: Any) -> None:
    first = current_id(authority)
    clock.advance(5 * DAY)
    authority.tick()
    assert first not in authority.states
    assert list(authority.states.values()) == [KeyState.ACTIVE]


def test_pruning_takes_keys_a_day_after_they_expired(
    authority: Authority[Any], clock: Any, changes: Changes
) -> None:
    first = current_id(authority)
    authority.activate(authority.prepare())
    clock.advance(2 * DAY)
    authority.prune()
    assert first in authority.states
    assert changes.count == 2
    clock.advance(1)
    authority.prune()
    assert authority.keys == ()
    assert changes.count == 3
