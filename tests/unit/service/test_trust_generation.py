"""What `trust generate` writes: the same bytes for the same description, and what was meant."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import msgspec
import pytest
import yaml
from described_trust import API, EXAMPLE, GOLDEN, SECTIONS, described, workload

from spire_bridge.cloud.generate.self_check import Checked, NotAsMeant
from spire_bridge.cloud.lint_finding import Severity
from spire_bridge.cloud.trust_errors import InvalidTrust
from spire_bridge.cloud.verifiers import VERIFIERS
from spire_bridge.config.yaml import parse
from spire_bridge.files.errors import FileFailure
from spire_bridge.service.settings.trust import TARGETS, Target, TrustSettings, load_trust_settings
from spire_bridge.service.trust import generation as trust_generation
from spire_bridge.service.trust.generation import Generated, differences, generate, render, write

DESCRIPTIONS = {"example": EXAMPLE, "hostile": GOLDEN / "hostile.yaml"}


@pytest.mark.parametrize("name", DESCRIPTIONS)
def test_the_files_are_those_that_were_reviewed(name: str) -> None:
    """After a deliberate change: spire-bridge trust generate --output-dir <the folder>."""
    files, _ = render(load_trust_settings(DESCRIPTIONS[name]))
    reviewed = {file.name: file.read_bytes() for file in (GOLDEN / name).iterdir()}
    assert {file: text.encode() for file, text in files.items()} == reviewed


@pytest.mark.parametrize("name", DESCRIPTIONS)
def test_the_order_of_a_description_changes_nothing(name: str) -> None:
    content = yaml.safe_load(DESCRIPTIONS[name].read_bytes())
    files, _ = render(load_trust_settings(DESCRIPTIONS[name]))
    for seed in range(5):
        shuffled = shuffle(content, random.Random(seed))
        settings = parse(json.dumps(shuffled).encode(), TrustSettings, name="trust.yaml")
        assert render(settings)[0] == files


def shuffle(value: Any, chance: random.Random) -> Any:
    """Objects and lists in another order; but not that of what a role may do, which is told
    as it was described."""
    if isinstance(value, dict):
        items = [(k, v if k == "allow" else shuffle(v, chance)) for k, v in value.items()]
        chance.shuffle(items)
        return dict(items)
    if isinstance(value, list):
        return chance.sample([shuffle(item, chance) for item in value], len(value))
    return value


@pytest.mark.parametrize("name", DESCRIPTIONS)
def test_the_kubernetes_file_is_yaml_that_means_what_was_described(name: str) -> None:
    settings = load_trust_settings(DESCRIPTIONS[name])
    files, _ = render(settings, ["kubernetes"])
    assert settings.kubernetes is not None
    [authenticator] = yaml.safe_load(files["kubernetes.yaml"])["jwt"]
    assert authenticator["issuer"] == {
        "url": settings.issuer,
        "audiences": [settings.kubernetes.audience],
    }
    prefix = authenticator["claimMappings"]["username"]["prefix"]
    assert prefix == settings.kubernetes.username_prefix


def test_targets_can_be_chosen_and_versions_name_all_of_them() -> None:
    settings = load_trust_settings(EXAMPLE)
    whole, _ = render(settings)
    assert list(render(settings, ["kubernetes"])[0]) == ["kubernetes.yaml"]
    files, granted = render(settings, ["aws"])
    assert files == {name: whole[name] for name in ("aws.tf", "versions.tf")}
    assert {grant.verifier for grant in granted} == {"aws"}


def test_versions_name_only_what_is_described() -> None:
    assert "hashicorp/google" not in render(described(workload("aws")))[0]["versions.tf"]
    assert "versions.tf" not in render(described(workload("kubernetes")))[0]


def test_a_trust_policy_that_iam_would_not_take_is_refused() -> None:
    ids = [f"{API}/{number:03}" for number in range(60)]
    with pytest.raises(InvalidTrust) as caught:
        render(described(workload("aws", spiffe_ids=ids)))
    assert caught.value.message == (
        "aws.role api: its trust policy would have 2688 characters; 2048 are allowed"
    )
    assert caught.value.hint is not None
    assert "spiffe_ids_below" in caught.value.hint


def test_paths_that_a_provider_of_google_has_no_attributes_for_are_refused() -> None:
    below = [workload("gcp", spiffe_ids_below=f"{API}/{number}/") for number in range(51)]
    assert render(described(*below[:50]))
    with pytest.raises(InvalidTrust, match="51 different paths"):
        render(described(*below))


def test_an_expression_that_is_too_long_to_check_is_refused() -> None:
    ids = [f"{API}/{number:04}" for number in range(200)]
    with pytest.raises(InvalidTrust, match="would have 8816 characters; 8192 are allowed"):
        render(described(workload("kubernetes", spiffe_ids=ids, kubernetes={})))


def test_bindings_that_terraform_could_not_tell_apart_are_refused() -> None:
    access = {"gcp": {"service_account": "api-below@acme-prod.iam.gserviceaccount.com"}}
    below = workload("gcp", spiffe_ids_below=f"{API}/")
    with pytest.raises(InvalidTrust, match=r"google_service_account_iam_member\.api_below"):
        render(described(workload(**access), below))


def test_a_condition_that_google_would_not_take_pins_the_trust_domain() -> None:
    ids = [f"{API}/{number:03}" for number in range(100)]
    text = render(described(workload("gcp", spiffe_ids=ids)))[0]["gcp.tf"]
    assert "attribute_condition = \"assertion.sub.startsWith('spiffe://example.org/')\"" in text
    assert "too many for a condition" in text


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("name", DESCRIPTIONS)
def test_what_is_generated_lets_in_the_workloads_and_no_neighbour(
    target: Target, name: str
) -> None:
    settings = msgspec.structs.replace(
        load_trust_settings(DESCRIPTIONS[name]), signing_algorithm="RS256"
    )
    checked = generate(settings, [target]).checked
    assert checked.accepted >= 3
    assert checked.refused >= 9 * checked.accepted


@pytest.mark.parametrize("name", DESCRIPTIONS)
def test_lint_finds_no_more_in_it_than_that_paths_let_in_many(name: str) -> None:
    for grant in render(load_trust_settings(DESCRIPTIONS[name]))[1]:
        rules = VERIFIERS[grant.verifier].rules
        trust = rules.parse_trust(grant.trust, name=grant.place)
        severities = {finding.severity for finding in rules.lint(trust)}
        assert Severity.ERROR not in severities
        if not any(workloads.below for workloads in grant.workloads):
            assert Severity.WARNING not in severities


def test_many_workloads_at_google_are_kept_apart_by_their_bindings() -> None:
    ids = [f"{API}/{number:03}" for number in range(100)]
    gcp = {"service_account": "api@acme-prod.iam.gserviceaccount.com", "roles": ["roles/viewer"]}
    settings = described(workload("gcp", spiffe_ids=ids, gcp=gcp))
    assert generate(settings).checked.accepted == 200


def test_a_path_as_subject_keeps_other_trust_domains_out() -> None:
    settings = described(workload("gcp"), gcp={**SECTIONS["gcp"], "subject": "path"})
    assert generate(settings).checked.refused > 5


def test_an_algorithm_that_entra_refuses_is_told_before_anything_is_written() -> None:
    with pytest.raises(NotAsMeant, match=f"azure.application api: .* would refuse {API}"):
        generate(described(workload("azure"), signing_algorithm="ES256"))


@pytest.fixture
def unchecked(monkeypatch: pytest.MonkeyPatch) -> None:
    """Files alone are at issue, and no verifier is asked."""
    monkeypatch.setattr(trust_generation, "check", lambda *_: Checked())


@pytest.fixture
def generated(unchecked: None) -> Generated:
    return generate(described(workload("aws", "kubernetes")))


def test_files_are_written_once(generated: Generated, tmp_path: Path) -> None:
    folder = tmp_path / "new" / "folder"
    assert write(generated, folder).written == ("aws.tf", "kubernetes.yaml", "versions.tf")
    assert (folder / "aws.tf").read_text() == generated.files["aws.tf"]
    again = write(generated, folder)
    assert (again.written, again.unchanged) == ((), ("aws.tf", "kubernetes.yaml", "versions.tf"))


def test_differences_are_a_diff(generated: Generated, tmp_path: Path) -> None:
    assert differences(generated, tmp_path).count("\n+++ ") == 3
    write(generated, tmp_path)
    assert differences(generated, tmp_path) == ""
    file = tmp_path / "aws.tf"
    file.write_text(file.read_text().replace('"sts.amazonaws.com"', '"*"', 1))
    diff = differences(generated, tmp_path)
    assert '-  client_id_list = ["*"]\n+  client_id_list = ["sts.amazonaws.com"]\n' in diff


def test_a_target_that_is_gone_takes_its_file_along(generated: Generated, tmp_path: Path) -> None:
    write(generated, tmp_path)
    fewer = generate(described(workload("kubernetes")))
    assert "-resource" in differences(fewer, tmp_path)
    assert write(fewer, tmp_path).removed == ("aws.tf", "versions.tf")
    assert [file.name for file in tmp_path.iterdir()] == ["kubernetes.yaml"]
    assert differences(fewer, tmp_path) == ""


def test_a_target_that_was_not_asked_for_is_left_alone(
    generated: Generated, tmp_path: Path
) -> None:
    write(generated, tmp_path)
    settings = described(workload("kubernetes"))
    assert write(generate(settings, ["kubernetes"]), tmp_path).removed == ()


def test_what_was_not_generated_is_neither_replaced_nor_removed(
    generated: Generated, tmp_path: Path
) -> None:
    own = 'resource "aws_iam_role" "mine" {}\n'
    (tmp_path / "aws.tf").write_text(own)
    with pytest.raises(FileFailure, match=r"aws\.tf was not generated"):
        write(generated, tmp_path)
    assert [file.name for file in tmp_path.iterdir()] == ["aws.tf"]
    write(generate(described(workload("kubernetes"))), tmp_path)
    assert (tmp_path / "aws.tf").read_text() == own


def test_a_folder_that_can_not_be_made_is_told(generated: Generated, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(FileFailure, match="can't be made"):
        write(generated, tmp_path / "file")
