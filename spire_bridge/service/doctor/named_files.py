"""The files that a workload's clients read, by the variables that name them."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import Enum, auto
from pathlib import Path
from typing import Any

from spire_bridge.errors import BridgeError
from spire_bridge.files.reading import read_limited

MAX_FILE_BYTES = 1024 * 1024


class Kind(Enum):
    TOKEN = auto()  # a JWT-SVID and nothing else
    JSON_TOKEN = auto()  # one in a member of a JSON object
    GOOGLE = auto()  # external_account JSON, which names where the token is
    HEADER = auto()  # a secret that is sent as it stands
    SECRET = auto()  # anything else that is not for others
    ANY = auto()  # named by hand: what it is, its content tells


@dataclass(frozen=True, slots=True)
class NamedFile:
    """`named_by` is a variable or another file; `member` is of `JSON_TOKEN`."""

    path: Path
    kind: Kind
    named_by: str = ""
    member: str = ""


class InvalidCredentialFile(BridgeError):
    """A configuration of a cloud's client that it can't use."""

    code = "CREDENTIAL_FILE_INVALID"


_VARIABLES = (
    ("AWS_WEB_IDENTITY_TOKEN_FILE", Kind.TOKEN),
    ("AZURE_FEDERATED_TOKEN_FILE", Kind.TOKEN),
    ("GOOGLE_APPLICATION_CREDENTIALS", Kind.GOOGLE),
    ("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", Kind.HEADER),
)
_VAULT_VARIABLES = ("VAULT_ADDR", "BAO_ADDR")


def named_files(named: Iterable[Path], environment: Mapping[str, str]) -> Iterator[NamedFile]:
    """Those named by hand, then those that the environment names."""
    yield from (NamedFile(path, Kind.ANY) for path in named)
    for variable, kind in _VARIABLES:
        if path := environment.get(variable):
            yield NamedFile(Path(path), kind, variable)
    for path in filter(None, environment.get("KUBECONFIG", "").split(":")):
        yield NamedFile(Path(path), Kind.SECRET, "KUBECONFIG")
    home = environment.get("HOME")
    if home and any(environment.get(variable) for variable in _VAULT_VARIABLES):
        vault_token = Path(home) / ".vault-token"
        if vault_token.exists():
            yield NamedFile(vault_token, Kind.SECRET, "HOME")


def google_source(file: NamedFile, environment: Mapping[str, str]) -> NamedFile | None:
    """The file that the credential reads its token from; None if it has it from elsewhere.

    Raises `FileFailure` and `InvalidCredentialFile`.
    """
    config = _object(read_limited(file.path, max_bytes=MAX_FILE_BYTES))
    if config.get("type") != "external_account":
        raise InvalidCredentialFile(
            f"{file.path} is no external_account configuration",
            hint="it is another kind of credential, such as a service account's key",
        )
    source = config.get("credential_source")
    source = source if isinstance(source, dict) else {}
    allowed = environment.get("GOOGLE_EXTERNAL_ACCOUNT_ALLOW_EXECUTABLES") == "1"
    if "executable" in source and not allowed:
        raise InvalidCredentialFile(
            f"{file.path} names an executable, and none is allowed here",
            hint="export GOOGLE_EXTERNAL_ACCOUNT_ALLOW_EXECUTABLES=1",
        )
    path = source.get("file")
    if not isinstance(path, str):
        return None
    token_format = source.get("format")
    if isinstance(token_format, dict) and token_format.get("type") == "json":
        member = str(token_format.get("subject_token_field_name", ""))
        return NamedFile(Path(path), Kind.JSON_TOKEN, str(file.path), member)
    return NamedFile(Path(path), Kind.TOKEN, str(file.path))


def token_of_member(data: bytes, member: str) -> str:
    """The token in a JSON object. Raises `InvalidCredentialFile`."""
    token = _object(data).get(member)
    if not isinstance(token, str):
        raise InvalidCredentialFile(f"its JSON has no text in the member {member!r}")
    return token


def _object(data: bytes) -> dict[str, Any]:
    try:
        value = json.loads(data)
    except (ValueError, RecursionError):
        value = None
    if not isinstance(value, dict):
        raise InvalidCredentialFile("it holds no JSON object")
    return value
