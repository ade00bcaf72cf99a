"""Files as `doctor` sees them: each fault for real, and the file that has none."""

from __future__ import annotations

import json
import os
import socket
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from forgery.tokens import rsa_key, signed
from unprivileged import NOBODY, as_nobody

from spire_bridge.service.doctor.context import Asked, Context
from spire_bridge.service.doctor.files import check_files
from spire_bridge.service.doctor.finding import Finding, Outcome
from spire_bridge.spiffe.id import SpiffeId
from spire_bridge.spiffe.jwt_svid import UnverifiedJwtSvid

WEB = "spiffe://example.org/web"
HEADER = {"alg": "RS256", "kid": "a", "typ": "JWT"}
as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root may give files away")


def token(**claims: Any) -> str:
    now = int(time.time())
    base = {"sub": WEB, "aud": ["here"], "iat": now, "exp": now + 300}
    return signed(rsa_key(), HEADER, {**base, **claims})


def write(file: Path, content: str | bytes, mode: int = 0o600) -> Path:
    file.write_bytes(content if isinstance(content, bytes) else content.encode())
    file.chmod(mode)
    return file


def examined(
    *files: Path, environment: dict[str, str] | None = None, **asked: Any
) -> list[Finding]:
    """What is found, in which no part of a token occurs but its header."""
    context = Context(Asked(files=files, environment=environment or {}, **asked))
    return checked(context)


def checked(context: Context) -> list[Finding]:
    _, findings = check_files(context)
    assert "eyJ" not in repr(findings)
    return list(findings)


def codes(findings: list[Finding]) -> list[str]:
    return [finding.code for finding in findings]


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return write(tmp_path / "token", token())


def test_a_file_as_it_should_be(file: Path) -> None:
    (finding,) = examined(file, spiffe_id=SpiffeId.parse(WEB), audience=("there", "here"))
    assert finding.outcome is Outcome.OK
    assert finding.seen == f"mode 0600, owner {os.geteuid()}:{os.getegid()}"
    assert finding.about == str(file)


def test_no_file_at_all() -> None:
    (finding,) = examined()
    assert finding.outcome is Outcome.SKIP


@pytest.mark.parametrize(
    ("make", "code", "seen"),
    [
        (lambda file: file.unlink(), "FILE_MISSING", "it is not there"),
        (lambda file: (file.unlink(), file.symlink_to("gone")), "FILE_MISSING", "a link to gone"),
        (lambda file: (file.unlink(), file.mkdir()), "FILE_WRONG_TYPE", "a directory"),
        (lambda file: (file.unlink(), os.mkfifo(file)), "FILE_WRONG_TYPE", "a FIFO"),
        (lambda file: write(file, ""), "FILE_EMPTY", "empty"),
        (lambda file: write(file, "\n"), "FILE_EMPTY", "empty"),
        (lambda file: write(file, token() + "\n"), "TOKEN_NOT_BARE", "white space"),
        (lambda file: write(file, " " + token()), "TOKEN_NOT_BARE", "white space"),
        (lambda file: write(file, token()[:-400]), "SVID_INVALID", ""),
        (lambda file: write(file, token(sub="system:serviceaccount:a:b")), "SVID_INVALID", "'sub'"),
        (lambda file: write(file, token(exp=1)), "TOKEN_EXPIRED", "ago"),
        (lambda file: write(file, token(sub=WEB + "2")), "TOKEN_SUBJECT", f"not of {WEB}"),
        (lambda file: write(file, token(aud="there")), "TOKEN_AUDIENCE", "for there, not for here"),
    ],
)
def test_a_broken_file_is_one_failure_that_says_what_to_do(
    file: Path, make: Callable[[Path], object], code: str, seen: str
) -> None:
    make(file)
    environment = {"AWS_WEB_IDENTITY_TOKEN_FILE": str(file)}
    asked: dict[str, Any] = {"spiffe_id": SpiffeId.parse(WEB), "audience": ("here",)}
    (finding,) = examined(environment=environment, **asked)
    assert (finding.outcome, finding.code) == (Outcome.FAIL, code)
    assert seen in finding.seen
    assert finding.about == f"{file} (AWS_WEB_IDENTITY_TOKEN_FILE)"
    if code != "SVID_INVALID":
        assert finding.hints


def test_a_socket_is_no_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)  # a socket's name is short
    with socket.socket(socket.AF_UNIX) as unix:
        unix.bind("s")
        (finding,) = examined(Path("s"))
    assert finding.seen == "it is a socket"


@pytest.mark.parametrize(
    ("mode", "expected"),
    [
        (0o640, []),
        (0o644, ["FILE_WORLD_READABLE"]),
        (0o602, ["FILE_WORLD_WRITABLE"]),
        (0o646, ["FILE_WORLD_READABLE", "FILE_WORLD_WRITABLE"]),
    ],
)
def test_modes(file: Path, mode: int, expected: list[str]) -> None:
    file.chmod(mode)
    findings = examined(file)
    assert codes(findings) == (expected or ["OK"])
    assert all(f.hints[0].startswith("chmod o-") for f in findings if f.code != "OK")


@pytest.mark.parametrize(("mode", "expected"), [(0o777, "FOLDER_WORLD_WRITABLE"), (0o1777, "OK")])
def test_a_folder_in_which_everybody_may_replace_it(file: Path, mode: int, expected: str) -> None:
    file.parent.chmod(mode)
    assert codes(examined(file)) == [expected]
    link = file.parent.parent / f"{file.parent.name}-link"
    link.symlink_to(file)
    assert codes(examined(link)) == [expected], "where the link leads counts"


def test_what_is_no_secret_may_be_read_by_all(tmp_path: Path) -> None:
    public = write(tmp_path / "ca.pem", "-----BEGIN CERTIFICATE-----\n", 0o644)
    private = write(tmp_path / "key.pem", "-----BEGIN PRIVATE KEY-----\n", 0o644)
    assert codes(examined(public, private)) == ["OK", "FILE_WORLD_READABLE"]


def test_a_file_that_this_user_may_not_read(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file.chmod(0o000)
    monkeypatch.chdir(file.parent)  # the folders above it need not admit anybody
    file.parent.chmod(0o755)
    with as_nobody():
        (finding,) = examined(Path(file.name))
        assert (finding.outcome, finding.code) == (Outcome.FAIL, "FILE_FORBIDDEN")
        assert f"uid {os.geteuid()}" in finding.seen


@as_root
def test_a_folder_that_this_user_may_not_search(file: Path) -> None:
    file.parent.chmod(0o700)
    with as_nobody():
        assert codes(examined(file)) == ["FILE_FORBIDDEN"]


@as_root
def test_an_owner_who_may_change_it(file: Path) -> None:
    os.chown(file, NOBODY, NOBODY)
    (finding,) = examined(file)
    assert (finding.outcome, finding.code) == (Outcome.WARN, "FILE_OWNER")
    assert f"owner {NOBODY}:{NOBODY}" in finding.seen
    os.chown(file, NOBODY, os.getegid())
    file.chmod(0o640)
    assert codes(examined(file)) == ["OK"], "a helper of another user in the same group"


def test_a_token_that_is_not_renewed(file: Path) -> None:
    now = int(time.time())
    write(file, token(iat=now - 260, exp=now + 40))
    (finding,) = examined(file)
    assert (finding.outcome, finding.code) == (Outcome.WARN, "TOKEN_NOT_RENEWED")
    assert codes(examined(file, clock=lambda: now - 35.0)) == ["OK"], "half of what an agent left"


def test_the_clock_that_counts_is_the_one_given(file: Path) -> None:
    assert codes(examined(file, clock=lambda: time.time() + 301)) == ["TOKEN_EXPIRED"]


@pytest.mark.parametrize(("of", "expected"), [(WEB, "OK"), (f"{WEB}2", "TOKEN_SUBJECT")])
def test_a_token_of_an_identity_that_the_agent_does_not_give(
    file: Path, of: str, expected: str
) -> None:
    given = UnverifiedJwtSvid.parse(token(sub=of), hint="internal")
    context = Context(Asked(files=(file,)), svids=(given,), svid=given)
    (finding,) = checked(context)
    assert finding.code == expected
    assert finding.outcome is (Outcome.OK if expected == "OK" else Outcome.WARN)
    named = Context(Asked(files=(file,), hint="internal"), svids=(given,), svid=given)
    (finding,) = checked(named)
    assert finding.outcome is (Outcome.OK if expected == "OK" else Outcome.FAIL)


def test_files_that_the_environment_names(file: Path, tmp_path: Path) -> None:
    secret = write(tmp_path / ".vault-token", "hvs.secret\n", 0o644)
    first, second = (write(tmp_path / name, "{}", 0o600) for name in ("one", "two"))
    environment = {
        "AZURE_FEDERATED_TOKEN_FILE": str(file),
        "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE": str(first),
        "KUBECONFIG": f"{first}:{second}",
        "HOME": str(tmp_path),
        "VAULT_ADDR": "https://vault",
    }
    findings = examined(environment=environment)
    assert [finding.about for finding in findings] == [
        f"{file} (AZURE_FEDERATED_TOKEN_FILE)",
        f"{first} (AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE)",
        f"{first} (KUBECONFIG)",
        f"{second} (KUBECONFIG)",
        f"{secret} (HOME)",
    ]
    assert codes(findings) == ["OK"] * 4 + ["FILE_WORLD_READABLE"]
    del environment["VAULT_ADDR"]
    assert len(examined(environment=environment)) == 4


def test_a_secret_that_is_sent_as_it_stands(tmp_path: Path) -> None:
    file = write(tmp_path / "authorization", "secret\n")
    environment = {"AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE": str(file)}
    assert codes(examined(environment=environment)) == ["TOKEN_NOT_BARE"]
    write(file, "secret")
    assert codes(examined(environment=environment)) == ["OK"]


def test_a_name_can_not_steer_a_terminal(tmp_path: Path) -> None:
    (finding,) = examined(tmp_path / "\x1b[2J")
    assert finding.about == f"{tmp_path}/\\x1b[2J"


def google(folder: Path, **source: Any) -> dict[str, str]:
    config = {"type": "external_account", "credential_source": source}
    file = write(folder / "google.json", json.dumps(config), 0o644)
    return {"GOOGLE_APPLICATION_CREDENTIALS": str(file)}


def test_the_token_that_google_s_configuration_names(file: Path, tmp_path: Path) -> None:
    findings = examined(environment=google(tmp_path, file=str(file)))
    assert codes(findings) == ["OK", "OK"]
    assert findings[1].about == f"{file} ({tmp_path / 'google.json'})"
    write(file, token(exp=1))
    assert codes(examined(environment=google(tmp_path, file=str(file)))) == ["OK", "TOKEN_EXPIRED"]


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (lambda: {"token": token()}, "OK"),
        (lambda: {"token": token(exp=1)}, "TOKEN_EXPIRED"),
        (lambda: {"other": token()}, "CREDENTIAL_FILE_INVALID"),
        (list, "CREDENTIAL_FILE_INVALID"),
    ],
)
def test_a_token_in_json(file: Path, tmp_path: Path, content: Callable[[], Any], code: str) -> None:
    write(file, json.dumps(content()))
    named = {"type": "json", "subject_token_field_name": "token"}
    findings = examined(environment=google(tmp_path, file=str(file), format=named))
    assert codes(findings) == ["OK", code]


def test_google_s_executable_has_to_be_allowed(tmp_path: Path) -> None:
    environment = google(tmp_path, executable={"command": "spire-bridge credential gcp"})
    (finding,) = examined(environment=environment)
    assert (finding.outcome, finding.code) == (Outcome.FAIL, "CREDENTIAL_FILE_INVALID")
    assert finding.hints == ("export GOOGLE_EXTERNAL_ACCOUNT_ALLOW_EXECUTABLES=1",)
    allowed = {**environment, "GOOGLE_EXTERNAL_ACCOUNT_ALLOW_EXECUTABLES": "1"}
    assert codes(examined(environment=allowed)) == ["OK"]


@pytest.mark.parametrize("content", ["", "[]", "{", '{"type": "service_account"}'])
def test_what_is_no_configuration_of_google_s(tmp_path: Path, content: str) -> None:
    file = write(tmp_path / "google.json", content)
    findings = examined(environment={"GOOGLE_APPLICATION_CREDENTIALS": str(file)})
    assert codes(findings) == ["CREDENTIAL_FILE_INVALID"]
