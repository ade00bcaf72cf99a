"""The check of what is generated finds what is wrong with it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from described_trust import API, described, workload

from spire_bridge.cloud.generate.grant import Grant
from spire_bridge.cloud.generate.self_check import NotAsMeant, check
from spire_bridge.service.trust.generation import render

BELOW = {"spiffe_ids_below": f"{API}/"}
ROLES = {"gcp": {"roles": ["roles/viewer"]}}
CONDITION = f"assertion.sub == '{API}'"
POOL = "iam.googleapis.com/projects/987654321098/locations/global/workloadIdentityPools/spire"


def granted(target: str, **changes: Any) -> Grant:
    [grant] = render(described(workload(target, **changes)))[1]
    return grant


def tampered(grant: Grant, old: str, new: str) -> Grant:
    assert old in grant.trust.decode()
    return replace(grant, trust=grant.trust.decode().replace(old, new).encode())


@pytest.mark.parametrize(
    ("target", "changes", "old", "new", "found"),
    [
        ("aws", {}, f':sub": "{API}"', f':amr": "{API}"', "would refuse"),
        ("aws", {}, f', "issuer.example.org:sub": "{API}"', "", "let in a token with a longer su"),
        ("aws", {}, '"StringEquals"', '"StringEqualsIgnoreCase"', "the subject in another case"),
        ("aws", {}, '["sts.amazonaws.com"]', '["x"]', "would refuse"),
        ("aws", BELOW, f"{API}/*", f"{API}*", "let in a token with"),
        ("gcp", ROLES, CONDITION, "false", "would refuse"),
        ("gcp", ROLES, '"assertion.sub"', "\"'x' + assertion.sub\"", "would not become"),
        ("azure", {}, API, f"{API}x", "would refuse"),
        ("azure", {}, '"api://AzureADTokenExchange"', '"x"', "would refuse"),
        ("vault", {}, f'"bound_subject": "{API}", ', "", "let in a token with a longer subject"),
        ("vault", {}, '"bound_issuer": "https', '"bound_issuer": "http', "would refuse"),
        ("vault", BELOW, f"{API}/*", f"{API}*", "let in a token with"),
        ("kubernetes", {}, f"claims.sub == '{API}'\n", "1 == 1\n", "let in a token with"),
        ("kubernetes", {}, "'api'", "'admin'", "would not become"),
        ("kubernetes", {}, "prefix: 'spire:'", "prefix: 'x:'", "would not become"),
        ("kubernetes", BELOW, f"startsWith('{API}/')", f"startsWith('{API}')", "let in a token"),
    ],
)
def test_a_defect_is_found(
    target: str, changes: dict[str, Any], old: str, new: str, found: str
) -> None:
    grant = granted(target, **changes)
    assert check([grant], "RS256").accepted
    with pytest.raises(NotAsMeant, match=found) as caught:
        check([tampered(grant, old, new)], "RS256")
    assert caught.value.message.startswith(f"{grant.place}: ")


def test_at_google_either_of_two_conditions_keeps_strangers_out() -> None:
    grant = granted("gcp")
    only_condition = tampered(
        grant, f"principal://{POOL}/subject/{API}", f"principalSet://{POOL}/*"
    )
    only_member = tampered(grant, CONDITION, "true")
    assert check([only_condition], "RS256") == check([only_member], "RS256")
    with pytest.raises(NotAsMeant, match="let in a token with"):
        check([tampered(only_condition, CONDITION, "true")], "RS256")


def test_workloads_of_the_same_trust_are_no_neighbours_of_each_other() -> None:
    several = [
        workload("kubernetes"),
        workload("kubernetes", spiffe_id=f"{API}x"),
        workload("kubernetes", spiffe_ids_below="spiffe://example.org/payments/"),
    ]
    assert check(render(described(*several))[1], "RS256").accepted == 4
