"""The resources of plans and states, and documents that are neither."""

from __future__ import annotations

import json
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spire_bridge.cloud.terraform.resources import Resource, read_resources
from spire_bridge.cloud.trust_errors import InvalidTrust


def resource(address: str, **values: Any) -> dict[str, Any]:
    return {"address": address, "mode": "managed", "type": "aws_iam_role", "values": values}


def read(**document: Any) -> tuple[Resource, ...]:
    return read_resources(json.dumps(document).encode(), name="plan.json")


NESTED = {
    "resources": [resource("aws_iam_role.a", name="a")],
    "child_modules": [
        {
            "address": "module.x",
            "resources": [resource("module.x.aws_iam_role.b", name="b")],
            "child_modules": [{"resources": [resource('module.x.module.y["z"].aws_iam_role.c')]}],
        }
    ],
}


@pytest.mark.parametrize("member", ["values", "planned_values"])
def test_resources_of_all_modules(member: str) -> None:
    found = read(format_version="1.2", **{member: {"root_module": NESTED}})
    assert [item.address for item in found] == [
        "aws_iam_role.a",
        "module.x.aws_iam_role.b",
        'module.x.module.y["z"].aws_iam_role.c',
    ]
    assert found[1] == Resource("module.x.aws_iam_role.b", "aws_iam_role", {"name": "b"})
    assert (found[0].text("name"), found[0].text("path")) == ("a", None)


def test_what_is_known_only_after_the_plan_was_applied() -> None:
    changes = [
        {
            "address": "aws_iam_role.a",
            "change": {"after_unknown": {"arn": True, "tags": {"x": [False, True]}, "b": [{}]}},
        },
        {"address": "aws_iam_role.b", "change": {"after_unknown": False}},
        {"address": 1},
        None,
    ]
    module = {"resources": [resource("aws_iam_role.a")]}
    (found,) = read(
        format_version="1.2", planned_values={"root_module": module}, resource_changes=changes
    )
    assert found.unknown == {"arn", "tags"}


def test_data_sources_are_no_configuration() -> None:
    data = {**resource("data.aws_iam_role.a"), "mode": "data"}
    assert read(format_version="1.0", values={"root_module": {"resources": [data]}}) == ()
    assert read(format_version="1.0", values={}) == ()


@pytest.mark.parametrize(
    ("document", "said"),
    [
        ({"version": 4, "resources": []}, "no plan and no state"),  # terraform.tfstate itself
        ({"format_version": "1.0"}, "no plan and no state"),
        ({"format_version": "1.0", "values": []}, "no plan and no state"),
        ({"format_version": "1.0", "values": {"root_module": []}}, "no list of objects"),
        (
            {"format_version": "1.0", "values": {"root_module": {"resources": [1]}}},
            "no list of objects",
        ),
        (
            {"format_version": "1.0", "values": {"root_module": {"resources": [{}]}}},
            "no address or no type",
        ),
    ],
)
def test_documents_that_are_neither(document: dict[str, Any], said: str) -> None:
    with pytest.raises(InvalidTrust, match=f"^plan.json: .*{said}"):
        read(**document)


@pytest.mark.parametrize("data", [b"", b"{", b"[]", b"\xff", b'{"format_version":' * 100_000])
def test_what_is_no_json(data: bytes) -> None:
    with pytest.raises(InvalidTrust, match=r"^plan\.json: this is no JSON"):
        read_resources(data, name="plan.json")


def test_modules_without_end() -> None:
    module: dict[str, Any] = {}
    for _ in range(100):
        module = {"child_modules": [module]}
    with pytest.raises(InvalidTrust, match="nested more than 64 deep"):
        read(format_version="1.0", values={"root_module": module})


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=3),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                [
                    *("format_version", "values", "planned_values", "root_module", "resources"),
                    *("child_modules", "address", "type", "mode", "resource_changes", "change"),
                    "after_unknown",
                ]
            ),
            inner,
            max_size=5,
        )
    ),
    max_leaves=30,
)


@given(VALUES)
def test_any_json_is_read_or_refused(document: Any) -> None:
    with suppress(InvalidTrust):
        read_resources(json.dumps(document).encode(), name="any")
