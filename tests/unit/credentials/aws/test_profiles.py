"""Files for SDKs, read back by botocore's own parser."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spire_bridge.credentials.aws.profiles import (
    InvalidProfile,
    credential_process_profile,
    shared_credentials,
    web_identity_environment,
    web_identity_profile,
)
from spire_bridge.credentials.aws.temporary import TemporaryCredentials
from spire_bridge.errors import EXIT_USAGE

ROLE = "arn:aws:iam::123456789012:role/web"
FILE = "/run/spire-bridge/token"
CREDENTIALS = TemporaryCredentials("ASIA1", "sec/ret+", "to=ken", 1_800_000_000)


def read(content: bytes, folder: Path) -> Any:
    loader = pytest.importorskip("botocore.configloader", reason="boto3 is not installed")
    file = folder / "file"
    file.write_bytes(content)
    return loader.raw_config_parse(str(file))


def test_a_credentials_file(tmp_path: Path) -> None:
    expected = {
        "aws_access_key_id": "ASIA1",
        "aws_secret_access_key": "sec/ret+",
        "aws_session_token": "to=ken",
    }
    assert read(shared_credentials(CREDENTIALS), tmp_path) == {"default": expected}
    named = shared_credentials(CREDENTIALS, profile="web")
    assert read(named, tmp_path) == {"web": expected}


def test_a_profile_with_a_token_file(tmp_path: Path) -> None:
    profile = web_identity_profile(
        role_arn=ROLE, token_file=FILE, session_name="web", region="eu-central-1", profile="web"
    )
    assert read(profile, tmp_path) == {
        "profile web": {
            "role_arn": ROLE,
            "web_identity_token_file": FILE,
            "role_session_name": "web",
            "region": "eu-central-1",
        }
    }


def test_a_profile_with_a_command_is_split_as_it_was_joined(tmp_path: Path) -> None:
    compat = pytest.importorskip("botocore.compat")
    command = ("/opt/spire bridge/bin/spire-bridge", "credential", "aws", "--role-arn", ROLE)
    profile = credential_process_profile(command)
    (line,) = read(profile, tmp_path)["default"].values()
    assert compat.compat_shell_split(line) == list(command)


def test_the_environment_is_one_variable_a_line() -> None:
    made = web_identity_environment(role_arn=ROLE, token_file=FILE, session_name="web")
    assert made.decode() == (
        f"AWS_ROLE_ARN={ROLE}\nAWS_WEB_IDENTITY_TOKEN_FILE={FILE}\nAWS_ROLE_SESSION_NAME=web\n"
    )
    with_region = web_identity_environment(
        role_arn=ROLE, token_file=FILE, session_name="web", region="eu-central-1"
    )
    assert b"AWS_REGION=eu-central-1\nAWS_DEFAULT_REGION=eu-central-1\n" in with_region


@pytest.mark.parametrize("profile", ["", "a]", "a\nb", " a", "[", "#", "é"])
def test_a_name_that_would_end_the_heading_is_refused(profile: str) -> None:
    with pytest.raises(InvalidProfile, match="is no name of a profile") as refused:
        shared_credentials(CREDENTIALS, profile=profile)
    assert refused.value.exit_status == EXIT_USAGE


@pytest.mark.parametrize("value", ["a\nrole_arn = b", "a #b", "a ;b", " a", "a\r", "a\x00"])
def test_a_value_that_would_be_read_as_something_else_is_refused(value: str) -> None:
    with pytest.raises(InvalidProfile, match="web_identity_token_file"):
        web_identity_profile(role_arn=ROLE, token_file=value, session_name="web")
    with pytest.raises(InvalidProfile, match="AWS_WEB_IDENTITY_TOKEN_FILE"):
        web_identity_environment(role_arn=ROLE, token_file=value, session_name="web")


@given(st.text())
def test_whatever_a_value_is_no_line_is_added(value: str) -> None:
    try:
        made = web_identity_environment(role_arn=ROLE, token_file=value, session_name="web")
    except InvalidProfile:
        return
    assert len(made.decode().splitlines()) == 3
