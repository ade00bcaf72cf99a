"""When the token file is rewritten for azure-identity, which shows what it read for 600 s."""

from __future__ import annotations

import pytest
from clouds_under_test import NOW, token
from hypothesis import given
from hypothesis import strategies as st

from spire_bridge.cloud.lint_finding import Severity
from spire_bridge.credentials.azure.federated_token import (
    LEAST_LEFT_SECONDS,
    LEAST_LIFETIME_SECONDS,
    lint_lifetime,
    rewrite_at,
)
from spire_bridge.spiffe.jwt_svid import UnverifiedJwtSvid


def lasting(seconds: int) -> UnverifiedJwtSvid:
    return UnverifiedJwtSvid.parse(token(iat=NOW, exp=NOW + seconds))


@pytest.mark.parametrize(
    ("left", "due"),
    [(3_600, 1_800), (1_320, 660), (1_000, 340), (661, 1), (660, 330), (300, 150), (1, 1), (-5, 1)],
)
def test_when_the_next_token_is_due(left: int, due: int) -> None:
    assert rewrite_at(NOW, NOW + left) == NOW + due


@given(st.integers(LEAST_LIFETIME_SECONDS, 90_000), st.floats(0, 0.5))
def test_a_token_that_is_long_enough_never_expires_in_use(lifetime: int, used: float) -> None:
    """Whatever an agent hands out: tokens of which up to half is over."""
    expires_at = NOW + lifetime
    now = NOW + lifetime * used
    last_read = rewrite_at(now, expires_at)
    assert now <= last_read
    assert expires_at - last_read >= LEAST_LEFT_SECONDS - 1


def test_a_lifetime_that_is_too_short_is_found() -> None:
    finding = lint_lifetime(lasting(300))
    assert finding is not None
    assert finding.severity is Severity.WARNING
    assert finding.place == "spiffe://example.org/web"
    assert "last 300 s" in finding.message
    assert "1320 s" in finding.fix


def test_a_lifetime_that_is_long_enough_is_not() -> None:
    assert lint_lifetime(lasting(LEAST_LIFETIME_SECONDS - 1)) is not None
    assert lint_lifetime(lasting(LEAST_LIFETIME_SECONDS)) is None
    assert lint_lifetime(UnverifiedJwtSvid.parse(token(iat=None))) is None
