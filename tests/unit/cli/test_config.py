"""`config check` and `config schema`."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from spire_bridge.cli.main import main

CONF = Path(__file__).parents[3] / "conf"
EXAMPLE = CONF / "issuer.yaml"


@pytest.mark.parametrize("file", sorted(CONF.glob("*.yaml")), ids=lambda file: file.name)
def test_each_example_is_valid_as_what_it_is(
    file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    first, _, _ = file.stem.partition("-")
    kind = first if first in {"helper", "trust"} else "serve"
    assert main(["config", "check", str(file)]) == 0
    assert capsys.readouterr().out == f"{file} is valid ({kind})\n"


@pytest.mark.parametrize(
    ("text", "mistake", "allowed"),
    [
        ("logs: {}\noutputs: []\n", "logs", "outputs, workload_api"),
        ("output: []\nworkload_api: {}\nprogram: {}\n", "output", "outputs, workload_api"),
        ("azur: {}\nissuer: x\nworkloads: []\n", "azur", "issuer, trust_domain, workloads"),
        ("x: 1\nlog: {}\n", "x", "trust_domain, issuer, sources"),
    ],
)
def test_a_mistake_is_that_of_the_kind_with_most_of_the_names(
    text: str, mistake: str, allowed: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "some.yaml"
    file.write_text(text)
    assert main(["config", "check", str(file)]) == 2
    shown = capsys.readouterr().err
    assert f"unknown setting '{mistake}'" in shown
    assert f"allowed here: {allowed}" in shown


def test_what_verifiers_would_refuse_is_a_warning(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "issuer.yaml"
    file.write_text(EXAMPLE.read_text().replace("issuer.example.org", "issuer.example.org:8443"))
    assert main(["config", "check", str(file)]) == 0
    reason = "the URL must not have a port"
    assert f"warning: AWS will refuse this issuer: {reason}" in capsys.readouterr().out
    assert main(["config", "check", str(file), "--output", "json"]) == 0
    assert json.loads(capsys.readouterr().out) == {
        "file": str(file),
        "kind": "serve",
        "valid": True,
        "warnings": [{"verifier": "AWS", "reason": reason}],
    }


def test_a_mistake_ends_with_2_and_says_where(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "issuer.yaml"
    file.write_text("trust_domain: example.org\nisuer: {}\n")
    assert main(["config", "check", str(file)]) == 2
    shown = capsys.readouterr()
    assert shown.out == ""
    assert shown.err == (
        f"error[CONFIG_INVALID]: {file}:2: isuer: unknown setting 'isuer'\n"
        "  hint: allowed here: trust_domain, issuer, sources, last_good, publish, issuers, listen,"
        " health, log\n"
    )
    assert main(["config", "check", str(file), "--output", "json"]) == 2
    error = json.loads(capsys.readouterr().err)["error"]
    assert error["code"] == "CONFIG_INVALID"
    assert error["hint"].startswith("allowed here: ")


@pytest.mark.parametrize("kind", [[], ["serve"], ["helper"], ["trust"]])
def test_the_schema_is_json(kind: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["config", "schema", *kind]) == 0
    schema = json.loads(capsys.readouterr().out)
    assert schema["$schema"].startswith("https://json-schema.org/")


HELPER = 'jwt_svids = [{ jwt_audience = "a", jwt_svid_file_name = "/t" }]\n'


@pytest.mark.parametrize("flags", [[], ["--from", "spiffe-helper"]])
def test_a_configuration_of_spiffe_helper_is_converted(
    flags: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file, native = tmp_path / "helper.conf", tmp_path / "helper.yaml"
    file.write_text(HELPER)
    assert main(["config", "convert", str(file), *flags]) == 0
    printed = capsys.readouterr()
    assert printed.err.startswith("note: ")
    native.write_text(printed.out)
    assert main(["config", "check", str(native)]) == 0


def test_a_file_that_is_said_to_be_of_another_program_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "helper.conf"
    file.write_text(HELPER)
    assert main(["config", "convert", str(file), "--from", "oidc-discovery-provider"]) == 1
    assert "at least one domain must be configured" in capsys.readouterr().err
