"""spiffe-helper's file: each of its options, and each refusal in the words of the reference."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from spire_bridge.config.hcl import InvalidHcl
from spire_bridge.service.drop_in.spiffe_helper.config import (
    DEFAULT_AGENT_ADDRESS,
    OPTIONS,
    HealthChecks,
    HelperConfig,
    JwtFile,
    Modes,
    load_helper_config,
    parse_helper_config,
)

X509 = 'svid_file_name = "s"\nsvid_key_file_name = "k"\nsvid_bundle_file_name = "b"\n'
TOKEN = 'jwt_svids = [{ jwt_audience = "a", jwt_svid_file_name = "t" }]\n'
BUNDLE = 'jwt_bundle_file_name = "j"\n'
PLAIN = f"{X509}{TOKEN}{BUNDLE}"
HEALTH = "health_checks {{ listener_enabled = true\n {} }}"


def read(text: str, daemon: bool | None = None, **environment: str) -> HelperConfig:
    return parse_helper_config(text, name="helper.conf", daemon=daemon, environment=environment)


# What stands behind PLAIN, or in place of it if it has a name of its own.
SET: dict[str, tuple[str, str, Any, Any]] = {
    "agent_address": ('"/a.sock"', "agent_address", "unix:///a.sock", None),
    "add_intermediates_to_bundle": ("true", "x509.intermediates_in_bundle", True, False),
    "include_federated_domains": ("true", "x509.federated", True, False),
    "omit_expired": ("true", "x509.omit_expired", True, False),
    "cert_dir": ('"/run/c"', "x509.certificates", "/run/c/s", "s"),
    "svid_file_name": ('"other"', "x509.certificates", "other", "s"),
    "svid_key_file_name": ('"other"', "x509.key", "other", "k"),
    "svid_bundle_file_name": ('"other"', "x509.bundle", "other", "b"),
    "jwt_bundle_file_name": ('"other"', "jwt_bundle", "other", "j"),
    "jwt_svids": (
        '[{ jwt_audience = "x", jwt_extra_audiences = ["y", "z"], jwt_svid_file_name = "o" }]',
        "jwt_svids",
        (JwtFile("o", ("x", "y", "z")),),
        (JwtFile("t", ("a",)),),
    ),
    "cert_file_mode": ("0640", "modes.certificates", 0o640, 0o644),
    "key_file_mode": ("0640", "modes.key", 0o640, 0o600),
    "jwt_bundle_file_mode": ("0640", "modes.jwt_bundle", 0o640, 0o600),
    "jwt_svid_file_mode": ("0640", "modes.jwt_svid", 0o640, 0o600),
    "hint": ('"internal"', "hint", "internal", ""),
    "cmd": ('"nginx"', "cmd", "nginx", ""),
    "cmd_args": ('"-g x"', "cmd_args", "-g x", ""),
    "renew_signal": ('"SIGHUP"', "renew_signal", "SIGHUP", ""),
    "pid_file_name": ('"/p"\nrenew_signal = "SIGHUP"', "pid_file", "/p", ""),
    "daemon_mode": ("false", "daemon", False, True),
    "health_checks": (
        (
            '{ listener_enabled = true\n bind_port = 9000\n liveness_path = "/l"\n'
            ' readiness_path = "/r" }'
        ),
        "health_checks",
        HealthChecks(9000, "/l", "/r"),
        None,
    ),
}


def found(config: HelperConfig, path: str) -> Any:
    value: Any = config
    for name in path.split("."):
        value = getattr(value, name)
    return value


def without(option: str) -> str:
    return "".join(line for line in PLAIN.splitlines(True) if not line.startswith(f"{option} "))


def test_every_option_is_covered() -> None:
    assert set(SET) == OPTIONS


@pytest.mark.parametrize("option", SET)
def test_an_option_is_taken_and_has_its_default(option: str) -> None:
    text, path, expected, default = SET[option]
    equals = "" if option == "health_checks" else "="
    assert found(read(f"{without(option)}{option} {equals} {text}"), path) == expected
    default = f"unix://{DEFAULT_AGENT_ADDRESS}" if option == "agent_address" else default
    assert found(read(PLAIN), path) == default


def test_health_checks_have_defaults_and_are_off_without_a_word() -> None:
    assert read(PLAIN + HEALTH.format("")).health_checks == HealthChecks(8081, "/live", "/ready")
    assert read(f"{PLAIN}health_checks {{ bind_port = -1 }}").health_checks is None


@pytest.mark.parametrize("files", [X509, TOKEN, BUNDLE])
def test_any_of_the_three_kinds_is_enough(files: str) -> None:
    config = read(files)
    assert [config.x509 is not None, bool(config.jwt_svids), bool(config.jwt_bundle)] == [
        files == X509,
        files == TOKEN,
        files == BUNDLE,
    ]


def test_the_agent_is_the_options_the_variables_or_the_default() -> None:
    option = f'{PLAIN}agent_address = "/option.sock"'
    variable = {"SPIFFE_ENDPOINT_SOCKET": "unix:///variable.sock"}
    assert read(option, **variable).agent_address == "unix:///option.sock"
    assert read(PLAIN, **variable).agent_address == "unix:///variable.sock"
    assert read(PLAIN).agent_address == f"unix://{DEFAULT_AGENT_ADDRESS}"


@pytest.mark.parametrize("file", ["", "daemon_mode = true", "daemon_mode = false"])
@pytest.mark.parametrize("flag", [True, False])
def test_the_command_line_comes_before_daemon_mode(file: str, flag: bool) -> None:
    assert read(PLAIN + file, daemon=flag).daemon is flag


@pytest.mark.parametrize(
    ("text", "mode"),
    [("0640", 0o640), ('"0640"', 0o640), ("416", 0o640), ("0x1a0", 0o640), ("0", 0o644)],
)
def test_a_mode_is_a_number_in_gos_notation(text: str, mode: int) -> None:
    assert read(f"{PLAIN}cert_file_mode = {text}").modes == Modes(mode, 0o600, 0o600, 0o600)


ALL_OR_NONE = (
    "all or none of 'svid_file_name', 'svid_key_file_name', 'svid_bundle_file_name' must be"
    " specified"
)
REFUSED = [
    (f"{PLAIN}b = 1\na = 1", "unknown top level key(s): a,b"),
    ("jwt_svids = [{ odd = 1 }]", "unknown key(s) in jwt_svids[0]: odd"),
    ('jwt_svids = [{ jwt_audience = "a" }]', "'jwt_file_name' is required in 'jwt_svids'"),
    ('jwt_svids = [{ jwt_svid_file_name = "a" }]', "'jwt_audience' is required in 'jwt_svids'"),
    (
        f'{PLAIN}daemon_mode = false\npid_file_name = "/p"',
        (
            "pid_file_name is set but daemon_mode is false."
            " pid_file_name is only supported in daemon_mode"
        ),
    ),
    (f'{PLAIN}pid_file_name = "/p"', "must specify renew_signal when using pid_file_name"),
    (f'{BUNDLE}svid_file_name = "s"', ALL_OR_NONE),
    (f'{BUNDLE}svid_key_file_name = "s"\nsvid_bundle_file_name = "b"', ALL_OR_NONE),
    (
        'cert_dir = "/c"',
        (
            "at least one of the sets ('svid_file_name', 'svid_key_file_name',"
            " 'svid_bundle_file_name'), 'jwt_svids', or 'jwt_bundle_file_name' must be fully"
            " specified"
        ),
    ),
    (f"{PLAIN}cert_file_mode = -1", "cert file mode must be positive"),
    (f"{PLAIN}key_file_mode = -1", "key file mode must be positive"),
    (f"{PLAIN}jwt_bundle_file_mode = -1", "jwt bundle file mode must be positive"),
    (f"{PLAIN}jwt_svid_file_mode = -1", "jwt svid file mode must be positive"),
    (PLAIN + HEALTH.format("bind_port = -1"), "bind port must be positive"),
    (
        PLAIN + HEALTH.format('liveness_path = "/ready"'),
        "liveness_path and readiness_path must differ",
    ),
]


@pytest.mark.parametrize(("text", "message"), REFUSED)
def test_a_refusal_is_in_the_words_of_the_reference(text: str, message: str) -> None:
    with pytest.raises(InvalidHcl) as caught:
        read(text)
    assert caught.value.message == message
    assert caught.value.exit_status == 1


WRONG_TYPES = ["cmd = [1]", 'omit_expired = "true"', 'key_file_mode = "rw"', "jwt_svids = 1"]


@pytest.mark.parametrize("text", [*WRONG_TYPES, "health_checks = 1", "hint = ", "{"])
def test_what_can_not_be_decoded(text: str) -> None:
    with pytest.raises(InvalidHcl, match="unable to decode configuration"):
        read(PLAIN + text if text != "{" else text)


@pytest.mark.parametrize("option", ["cmd", "renew_signal"])
def test_what_one_shot_ignores_is_warned_of(option: str) -> None:
    text = f'{PLAIN}{option} = "SIGHUP"'
    assert read(text).warnings == ()
    assert read(text, daemon=False).warnings == (
        f"{option} is set but daemon_mode is false. {option} will be ignored.",
    )


HELD = st.sampled_from([*sorted(OPTIONS), "=", "{", "}", "[", "]", '"', "\n", "0", "true", ","])


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.binary(max_size=200) | st.lists(HELD, max_size=25).map(lambda p: " ".join(p).encode()))
def test_any_bytes_are_a_configuration_or_refused(tmp_path: Path, data: bytes) -> None:
    file = tmp_path / "helper.conf"
    for content in (data, PLAIN.encode() + data):
        file.write_bytes(content)
        try:
            assert isinstance(load_helper_config(file), HelperConfig)
        except InvalidHcl as error:
            assert error.exit_status == 1  # noqa: PT017 - either is right
