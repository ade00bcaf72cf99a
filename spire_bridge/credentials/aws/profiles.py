"""Files and variables by which AWS' SDKs find credentials (SDKs and Tools Reference Guide)."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterable, Mapping, Sequence

from spire_bridge.credentials.aws.temporary import TemporaryCredentials
from spire_bridge.errors import EXIT_USAGE, BridgeError

DEFAULT_PROFILE = "default"

_PROFILE = re.compile(r"[\w.@+=,/-]+(?: [\w.@+=,/-]+)*", re.ASCII)
# A line each; and some SDKs take what follows white space and one of these for a comment.
_UNWRITABLE = re.compile(r"[\x00-\x1f\x7f]|\s[#;]")


class InvalidProfile(BridgeError):
    """What a profile can't hold."""

    code = "AWS_PROFILE_INVALID"
    exit_status = EXIT_USAGE


def shared_credentials(
    credentials: TemporaryCredentials, *, profile: str = DEFAULT_PROFILE
) -> bytes:
    """A credentials file, a secret. SDKs read it once: they do not know when it ends.

    Raises `InvalidProfile`, as all here do for a name or a value that would not be read as such.
    """
    settings = {
        "aws_access_key_id": credentials.access_key_id,
        "aws_secret_access_key": credentials.secret_access_key,
        "aws_session_token": credentials.session_token,
    }
    return _section(check_profile(profile), settings)


def web_identity_profile(
    *,
    role_arn: str,
    token_file: str,
    session_name: str,
    region: str = "",
    profile: str = DEFAULT_PROFILE,
) -> bytes:
    """A profile of the config file with which SDKs show the token in `token_file` themselves."""
    settings = {
        "role_arn": role_arn,
        "web_identity_token_file": token_file,
        "role_session_name": session_name,
    }
    return _section(_config_name(profile), {**settings, **_region(region)})


def credential_process_profile(
    command: Sequence[str], *, region: str = "", profile: str = DEFAULT_PROFILE
) -> bytes:
    """A profile of the config file with which SDKs run `command`, a program and its arguments."""
    settings = {"credential_process": shlex.join(command)}
    return _section(_config_name(profile), {**settings, **_region(region)})


def web_identity_environment(
    *, role_arn: str, token_file: str, session_name: str, region: str = ""
) -> bytes:
    """The variables to the same effect as `web_identity_profile`, one `NAME=value` a line."""
    variables = {
        "AWS_ROLE_ARN": role_arn,
        "AWS_WEB_IDENTITY_TOKEN_FILE": token_file,
        "AWS_ROLE_SESSION_NAME": session_name,
    }
    if region:
        variables["AWS_REGION"] = variables["AWS_DEFAULT_REGION"] = region
    return _lines(f"{name}={_value(name, value)}" for name, value in variables.items())


def _region(region: str) -> Mapping[str, str]:
    return {"region": region} if region else {}


def check_profile(profile: str) -> str:
    """The name. Raises `InvalidProfile`."""
    if not _PROFILE.fullmatch(profile):
        raise InvalidProfile(
            f"{profile!r} is no name of a profile", hint="use letters, digits and any of .@+=,/_-"
        )
    return profile


def _config_name(profile: str) -> str:
    name = check_profile(profile)
    return name if name == DEFAULT_PROFILE else f"profile {name}"


def _section(name: str, settings: Mapping[str, str]) -> bytes:
    lines = (f"{key} = {_value(key, value)}" for key, value in settings.items())
    return _lines((f"[{name}]", *lines))


def _value(name: str, value: str) -> str:
    if _UNWRITABLE.search(value) or value != value.strip():
        raise InvalidProfile(f"{name} holds what a line of a file can't")
    return value


def _lines(lines: Iterable[str]) -> bytes:
    return "".join(f"{line}\n" for line in lines).encode()
