"""The description of `trust generate`: what is taken, and where a mistake is said to be."""

from __future__ import annotations

import json
from typing import Any

import pytest
from described_trust import ACCESS, API, EXAMPLE, SECTIONS, described, workload

from spire_bridge.config.yaml import InvalidConfig, json_schema, parse
from spire_bridge.service.settings.trust import TARGETS, TrustSettings, load_trust_settings

LONG = f"spiffe://example.org/{'x' * 110}"


def refusal(*workloads: dict[str, Any], **changes: Any) -> str:
    with pytest.raises(InvalidConfig) as caught:
        described(*workloads, **changes)
    assert caught.value.message.isprintable()
    place, _, message = caught.value.message.partition(": ")
    assert place.startswith("trust.yaml:")
    return message


def with_(target: str, **changes: Any) -> dict[str, Any]:
    return workload(target, **{target: {**ACCESS[target], **changes}})


def test_the_example_describes_every_target() -> None:
    assert load_trust_settings(EXAMPLE).targets() == TARGETS


def test_what_the_example_calls_a_default_is_one() -> None:
    text = EXAMPLE.read_text()
    lines = [
        line.replace("# ", "", 1) if ": " in line and is_setting(line) else line
        for line in text.splitlines()
    ]
    with_defaults = "\n".join(lines)
    assert with_defaults.count("\n# ") < text.count("\n# ")
    read = parse(with_defaults.encode(), TrustSettings, name="trust.yaml")
    assert read == load_trust_settings(EXAMPLE)


def is_setting(line: str) -> bool:
    comment = line.strip()
    first, colon, _ = comment.removeprefix("# ").partition(":")
    return comment.startswith("# ") and bool(colon) and first.isidentifier()


def test_the_schema_names_every_setting() -> None:
    schema = json.loads(json_schema(TrustSettings))
    assert set(TARGETS) < schema["$defs"]["WorkloadSettings"]["properties"].keys()


@pytest.mark.parametrize(
    ("workloads", "message"),
    [
        ([{"spiffe_id": API}], "workloads[0].spiffe_id: Expected what it becomes: at least one of"),
        (
            [workload("aws", spiffe_ids=[API], spiffe_id=API)],
            "workloads[0].spiffe_id: Expected exac",
        ),
        ([{"aws": {"role": "a"}}], "workloads[0].spiffe_id: Expected exactly one of `spiffe_id`"),
        ([workload("aws", spiffe_ids=[API, API])], "workloads[0].spiffe_ids: Expected different"),
        ([workload("aws", spiffe_id="example.org/a")], "workloads[0].spiffe_id: SPIFFE ID"),
        ([workload("aws", spiffe_ids=[API, f"{API}/*"])], "workloads[0].spiffe_ids[1]: SPIFFE ID"),
        (
            [workload("aws", spiffe_id=f"{API}${{x}}")],
            "workloads[0].spiffe_id: SPIFFE ID path segm",
        ),
        ([workload("aws", spiffe_id=f"{API}\n")], "workloads[0].spiffe_id: SPIFFE ID path segm"),
        (
            [workload("aws", spiffe_id="spiffe://other.org/a")],
            "workloads[0].spiffe_id: Expected an",
        ),
        (
            [workload("aws", spiffe_id="spiffe://example.org")],
            "workloads[0].spiffe_id: Expected an",
        ),
        (
            [workload("aws", spiffe_ids_below=API)],
            "workloads[0].spiffe_ids_below: Expected a path t",
        ),
        (
            [workload("aws", spiffe_ids_below="spiffe://example.org/")],
            "workloads[0].spiffe_ids_below: Expected a path, not a whole trust domain",
        ),
        (
            [workload("aws", spiffe_ids_below="spiffe://other.org/a/")],
            "workloads[0].spiffe_ids_below: Expected an ID of the trust domain: spiffe://example.org",
        ),
        (
            [workload("azure", spiffe_ids_below=f"{API}/")],
            "workloads[0].azure: Entra takes no wildcards; list the workloads under `spiffe_ids`",
        ),
        (
            [workload("azure", spiffe_ids=[f"{API}/{n}" for n in range(21)])],
            "workloads[0].azure: An application takes 20 credentials, and these are 21",
        ),
        (
            [workload("azure", spiffe_id=f"{API}/{'x' * 600}")],
            "workloads[0].spiffe_id: Entra takes subjects of 600 characters, and this has 634",
        ),
        (
            [workload("gcp"), workload("gcp", spiffe_ids=[API, LONG])],
            "workloads[1].spiffe_ids[1]: google.subject takes 127 bytes, and this comes to 131",
        ),
        (
            [workload("aws"), workload("aws", spiffe_id=f"{API}2")],
            "workloads[0].aws.role: Another role has this name, or one that differs too little",
        ),
        (
            [with_("vault", role="a.b"), with_("vault", role="a-b")],
            "workloads[0].vault.role: Another Vault role has this name, or one that differs too",
        ),
        (
            [with_("azure", application="A b"), with_("azure", application="a-B")],
            "workloads[0].azure.application: Another application has this name",
        ),
        (
            [workload("aws", description="two\nlines")],
            "workloads[0].description: Expected `str` mat",
        ),
        (
            [workload("aws", description="日本")],
            "workloads[0].description: Expected `str` matching",
        ),
        ([with_("aws", role='a"b')], "workloads[0].aws.role: Expected `str` matching"),
        ([with_("aws", role="${a}")], "workloads[0].aws.role: Expected `str` matching"),
        ([with_("aws", audience="${aws:x}")], "workloads[0].aws.audience: Expected `str` matching"),
        ([with_("aws", audience="a*")], "workloads[0].aws.audience: Expected `str` matching"),
        (
            [with_("aws", policies=["Admin"])],
            "workloads[0].aws.policies[0]: Expected `str` matching",
        ),
        (
            [with_("aws", max_session_seconds=60)],
            "workloads[0].aws.max_session_seconds: Expected `in",
        ),
        (
            [with_("aws", allow=[{"actions": ["*"], "resources": ["*"]}])],
            "workloads[0].aws.allow[0].actions[0]: Expected `str` matching",
        ),
        (
            [with_("gcp", service_account=None)],
            "workloads[0].gcp.service_account: Expected `service_",
        ),
        (
            [with_("gcp", service_account="a@b.c")],
            "workloads[0].gcp.service_account: Expected `str`",
        ),
        ([with_("gcp", roles=["roles/owner"])], "workloads[0].gcp.roles: roles/owner is more than"),
        (
            [with_("azure", application="two\nlines")],
            "workloads[0].azure.application: Expected `str`",
        ),
        (
            [with_("vault", policies=["root"])],
            "workloads[0].vault.policies[0]: Expected `str` match",
        ),
        (
            [with_("vault", policies=["a,b"])],
            "workloads[0].vault.policies[0]: Expected `str` matchin",
        ),
        ([with_("vault", policies=[])], "workloads[0].vault.policies: Expected `array` of length"),
        ([with_("vault", audience="a,b")], "workloads[0].vault.audience: Expected `str` matching"),
        (
            [with_("kubernetes", groups=["system:masters"])],
            "workloads[0].kubernetes.groups[0]: Expected `str` matching",
        ),
        (
            [with_("kubernetes", groups=["a'b"])],
            "workloads[0].kubernetes.groups[0]: Expected `str` ",
        ),
        ([with_("kubernetes", role="a")], "workloads[0].kubernetes.role: unknown setting 'role'"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_workload_that_is_not_taken(workloads: list[dict[str, Any]], message: str) -> None:
    assert refusal(*workloads).startswith(message)


@pytest.mark.parametrize(
    ("target", "changes", "message"),
    [
        ("aws", {"aws": None}, "workloads[0].aws: Expected a section `aws` at the top, too"),
        ("aws", {"vault": SECTIONS["vault"]}, "vault: No workload becomes anything there"),
        (
            "aws",
            {"issuer": "https://a.example:8443"},
            "issuer: AWS refuses it: the URL must not have",
        ),
        ("aws", {"issuer": "http://127.0.0.1"}, "issuer: AWS refuses it: the URL must be https"),
        ("aws", {"issuer": 'https://a.example/"${x}'}, "issuer: issuer URL has characters that no"),
        (
            "azure",
            {"issuer": f"https://a.example/{'x' * 600}"},
            "issuer: Entra refuses it: the URL",
        ),
        (
            "aws",
            {"trust_domain": "Example.org"},
            "trust_domain: trust domain 'Example.org' has char",
        ),
        ("aws", {"aws": {"account": 1}}, "aws.account: Expected `str`, got `int`"),
        ("aws", {"aws": {"account": "1"}}, "aws.account: Expected `str` matching"),
        ("aws", {"workloads": []}, "workloads: Expected `array` of length >= 1"),
        ("gcp", {"gcp": {**SECTIONS["gcp"], "pool": "gcp-a"}}, "gcp.pool: Expected `str` matching"),
        ("gcp", {"gcp": {**SECTIONS["gcp"], "subject": "sub"}}, "gcp.subject: Invalid enum value"),
        ("azure", {"azure": {"tenant": "contoso"}}, "azure.tenant: Expected `str` matching"),
        (
            "vault",
            {"vault": {"audience": "a", "mount": "/jwt"}},
            "vault.mount: Expected `str` match",
        ),
        (
            "kubernetes",
            {"kubernetes": {"audience": "a", "username_prefix": "system:"}},
            "kubernetes.username_prefix: Expected `str` matching",
        ),
        ("aws", {"signing_algorithm": "HS256"}, "signing_algorithm: Invalid enum value 'HS256'"),
    ],
)
def test_a_section_that_is_not_taken(target: str, changes: dict[str, Any], message: str) -> None:
    assert refusal(workload(target), **changes).startswith(message)


def test_a_path_leaves_room_in_the_subject_of_google() -> None:
    gcp = {**SECTIONS["gcp"], "subject": "path"}
    assert described(workload("gcp", spiffe_id=LONG), gcp=gcp).targets() == ("gcp",)
    assert "; set `gcp.subject: path`, or shorten the path" in refusal(
        workload("gcp", spiffe_id=LONG)
    )
    longer = f"{LONG}{'x' * 20}"
    assert refusal(workload("gcp", spiffe_id=longer), gcp=gcp).endswith(
        "this comes to 130; shorten the path: CEL has no hash"
    )
