"""Model clouds, new for each test."""

from __future__ import annotations

import pytest
from clouds_under_test import Clouds


@pytest.fixture
def clouds() -> Clouds:
    return Clouds()
