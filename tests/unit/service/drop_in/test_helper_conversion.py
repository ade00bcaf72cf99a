"""spiffe-helper's file: what is wrong with it, in order, its arguments, and its native form."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spire_bridge.config.hcl import InvalidHcl
from spire_bridge.config.yaml import InvalidConfig
from spire_bridge.service.drop_in.dialect import dialect_of
from spire_bridge.service.drop_in.spiffe_helper.arguments import (
    InvalidArguments,
    renewal_signal,
    split_arguments,
)
from spire_bridge.service.drop_in.spiffe_helper.config import (
    HelperConfig,
    go_join,
    parse_helper_config,
)
from spire_bridge.service.drop_in.spiffe_helper.convert import convert_helper

X509 = 'svid_file_name = "s"\nsvid_key_file_name = "k"\nsvid_bundle_file_name = "b"\n'
TOKEN = 'jwt_svids = [{ jwt_audience = "a", jwt_svid_file_name = "t" }]\n'


def read(text: str, daemon: bool | None = None, **environment: str) -> HelperConfig:
    return parse_helper_config(text, name="helper.conf", daemon=daemon, environment=environment)


@pytest.mark.parametrize("address", ["/a?b", "unix://host/a", "tcp://localhost:1"])
def test_an_address_of_no_agent_is_refused(address: str) -> None:
    with pytest.raises(InvalidHcl, match="agent_address: ") as caught:
        read(X509 + f'agent_address = "{address}"')
    assert caught.value.exit_status == 1


# Each text mends what the one before was refused for.
IN_ORDER = [
    ("omit_expired = 1\nx = 1", "omit_expired must be true or false"),
    ("x = 1\njwt_svids = [{ y = 1 }]", "unknown top level key(s): x"),
    ("jwt_svids = [{ y = 1 }]", "unknown key(s) in jwt_svids[0]: y"),
    ('jwt_svids = [{}]\npid_file_name = "p"', "'jwt_file_name' is required in 'jwt_svids'"),
    ('jwt_svids = [{ jwt_svid_file_name = "f" }]\npid_file_name = "p"', "'jwt_audience' is"),
    (TOKEN + 'pid_file_name = "p"\ndaemon_mode = false', "pid_file_name is set but daemon_mode"),
    (TOKEN + 'pid_file_name = "p"\nsvid_file_name = "s"', "must specify renew_signal when"),
    (TOKEN + 'svid_file_name = "s"\ncert_file_mode = -1', "all or none of 'svid_file_name'"),
    ("cert_file_mode = -1", "at least one of the sets"),
    (X509 + "cert_file_mode = -1\nkey_file_mode = -1", "cert file mode must be positive"),
    (X509 + "key_file_mode = -1\njwt_bundle_file_mode = -1", "key file mode must be positive"),
    (X509 + "jwt_bundle_file_mode = -1\njwt_svid_file_mode = -1", "jwt bundle file mode must"),
    (
        X509 + "jwt_svid_file_mode = -1\nhealth_checks { listener_enabled = true\nbind_port = -1 }",
        "jwt svid file mode must be positive",
    ),
    (X509 + "health_checks { listener_enabled = true\nbind_port = -1 }", "bind port must be"),
]


@pytest.mark.parametrize(("text", "problem"), IN_ORDER)
def test_the_first_problem_is_told_in_the_words_of_the_reference(text: str, problem: str) -> None:
    with pytest.raises(InvalidHcl) as caught:
        read(text)
    assert problem in caught.value.message
    assert caught.value.exit_status == 1


def test_unknown_names_in_quotes_are_not_looked_at() -> None:
    assert read(X509 + '"x" = 1').x509 is not None
    assert read(json.dumps({"jwt_bundle_file_name": "b", "x": 1})).jwt_bundle == "b"


@pytest.mark.parametrize(
    ("folder", "name", "path"),
    [
        ("", "s", "s"),
        ("", "/s", "/s"),
        ("a", "/s", "a/s"),
        ("a/", "s", "a/s"),
        ("//a", "../s", "/s"),
        ("a", "../../s", "../s"),
    ],
)
def test_paths_are_joined_as_in_go(folder: str, name: str, path: str) -> None:
    assert go_join(folder, name) == path


@pytest.mark.parametrize(
    ("text", "arguments"),
    [
        ("", ()),
        ("a b", ("a", "b")),
        ("a  b ", ("a", "", "b", "")),
        (" ", ("", "")),
        ('"a b" ""', ("a b", "")),
        ('"say ""no"""', ('say "no"',)),
        ("-c 'a b'", ("-c", "'a", "b'")),
        ("\n\na\nb", ("a",)),
        ('"a\r\nb" c\r', ("a\nb", "c")),
        ('""""', ('"',)),
    ],
)
def test_arguments_are_one_record(text: str, arguments: tuple[str, ...]) -> None:
    assert split_arguments(text) == arguments


@pytest.mark.parametrize("text", ['a"', 'a "b', '"a"b', '"a""', '"', "\n", '"a" b"c'])
def test_a_stray_quote_is_refused(text: str) -> None:
    with pytest.raises(InvalidArguments, match="error parsing cmd arguments"):
        split_arguments(text)


@given(st.lists(st.text().filter(lambda text: "\r" not in text), min_size=1))
def test_what_is_quoted_comes_back(arguments: list[str]) -> None:
    quoted = ('"' + argument.replace('"', '""') + '"' for argument in arguments)
    assert split_arguments(" ".join(quoted)) == tuple(arguments)


@given(st.text(alphabet='ab" \n\r'))
def test_no_arguments_are_more_than_refused(text: str) -> None:
    try:
        assert isinstance(split_arguments(text), tuple)
    except InvalidArguments:
        return


def test_a_signal_has_its_full_name() -> None:
    signal = renewal_signal("SIGUSR1")
    assert signal is not None
    assert signal.name == "SIGUSR1"
    assert [renewal_signal(name) for name in ("USR1", "SIGNONE", "10", "")] == [None] * 4


def converted(text: str) -> tuple[dict[str, Any], str]:
    import yaml

    result = convert_helper(read(text), name="helper.conf")
    return yaml.safe_load(result.yaml), "\n".join(result.notes)


def test_a_signalled_program_stays_one() -> None:
    settings, notes = converted(
        X509 + TOKEN + 'cmd = "p"\ncmd_args = "a b"\nrenew_signal = "SIGHUP"\nhint = "h"'
        '\njwt_bundle_file_name = "j"\nhealth_checks { listener_enabled = true }'
    )
    assert [output["name"] for output in settings["outputs"]] == ["x509", "jwt-bundles", "jwt-1"]
    assert settings["program"] == {
        "command": ["p", "a", "b"],
        "signal": "SIGHUP",
        "signal_for": ["x509"],
        "restart": "on-exit",
    }
    assert settings["health"] == {"address": "127.0.0.1:8081"}
    assert settings["outputs"][2]["jwt"] == {"audience": ["a"], "hint": "h"}
    assert "/livez" in notes
    assert "not in base64" in notes


def test_a_program_without_a_signal_is_run_after_each_change() -> None:
    settings, notes = converted(X509 + 'cmd = "p"')
    assert settings["outputs"][0]["after"] == {"run": ["p"]}
    assert "program" not in settings
    assert "taken for a command that ends by itself" in notes


def test_a_pid_file_is_signalled() -> None:
    settings, _ = converted(X509 + 'pid_file_name = "/p"\nrenew_signal = "SIGUSR1"')
    assert settings["outputs"][0]["after"] == {"signal": {"pid_file": "/p", "signal": "SIGUSR1"}}


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (X509 + 'cmd = "p"\nrenew_signal = "USR1"', "renew_signal 'USR1' is unknown"),
        (X509 + 'cmd = "p"\ncmd_args = "a\\""', "error parsing cmd arguments"),
        (TOKEN + TOKEN, "twice"),
    ],
)
def test_what_has_no_native_form_is_refused(text: str, problem: str) -> None:
    with pytest.raises((InvalidHcl, InvalidArguments, InvalidConfig), match=problem):
        converted(text)


def test_a_file_is_known_by_its_options(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_text(X509 + "health_checks {}")
    assert dialect_of(file) == "spiffe-helper"
    file.write_text('domains = ["d"]\nhealth_checks {}')
    assert dialect_of(file) == "oidc-discovery-provider"
    file.write_text("health_checks {}")
    with pytest.raises(InvalidHcl, match="neither") as caught:
        dialect_of(file)
    assert "--from" in str(caught.value.hint)
