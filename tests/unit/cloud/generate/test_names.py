"""Names that are made of SPIFFE IDs and roles."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spire_bridge.cloud.generate.names import attribute_name, credential_name, resource_label

SEGMENTS = st.text("aAbB01._-", min_size=1, max_size=40).filter(lambda s: s not in {".", ".."})
PATHS = st.lists(SEGMENTS, min_size=1, max_size=6).map("/".join)


@pytest.mark.parametrize(
    ("name", "label"),
    [
        ("payments-api", "payments_api"),
        ("Payments.API", "payments_api"),
        ("7up", "_7up"),
        ("a+b=c,d@e", "a_b_c_d_e"),
        ('x"${y}', "x___y_"),
    ],
)
def test_a_resource_is_called_as_terraform_lets_it(name: str, label: str) -> None:
    assert resource_label(name) == label


def test_plain_paths_stay_readable() -> None:
    assert attribute_name("ns/payments") == "ns_payments"
    assert credential_name("ns/payments/sa/front-end") == "ns_payments_sa_front-end"


def test_a_name_that_could_mean_two_paths_says_which() -> None:
    assert attribute_name("ns_payments").startswith("ns_payments_")
    assert credential_name("ns_payments").startswith("ns_payments_")


@given(PATHS, PATHS)
def test_different_paths_have_different_names(one: str, other: str) -> None:
    for name_of in (attribute_name, credential_name):
        assert (name_of(one) == name_of(other)) is (one == other)


@given(PATHS)
def test_names_are_what_google_and_entra_take(path: str) -> None:
    assert re.fullmatch(r"[a-z0-9_]{1,80}", attribute_name(path))
    assert re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_-]{2,119}", credential_name(path))
