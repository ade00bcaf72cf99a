"""The helper's settings: what they admit, and what they say of what they refuse."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from spire_bridge.config.yaml import InvalidConfig
from spire_bridge.files.owner import OwnerFailure
from spire_bridge.service.settings.helper import HelperSettings, load_helper_settings

TOKEN = {"name": "t", "jwt": {"audience": ["sts"]}, "path": "/run/t"}
FILES = {"certificates": {"path": "/run/crt"}, "key": {"path": "/run/key"}}
PAIR = {"name": "p", "x509": {}, "files": FILES}
FOLDER = {"path": "/run/f"}


def load(tmp_path: Path, *outputs: dict[str, Any], **others: Any) -> HelperSettings:
    file = tmp_path / "helper.yaml"
    file.write_text(json.dumps({"outputs": list(outputs), **others}))  # JSON is YAML
    return load_helper_settings(file)


def test_defaults(tmp_path: Path) -> None:
    bundles = {"name": "b", "jwt_bundles": {}, "path": "/run/b"}
    settings = load(tmp_path, TOKEN, PAIR, bundles)
    token, pair, _ = settings.outputs
    assert [file.mode_bits() for file in token.all_files()] == [0o600]
    files = {file.path: file.mode_bits() for file in pair.all_files()}
    assert files == {"/run/key": 0o600, "/run/crt": 0o644}
    assert list(files) == ["/run/key", "/run/crt"]  # the certificates last
    assert settings.allow_shared_folders is False
    assert settings.health is settings.program is None
    assert (pair.folder, pair.after.run, pair.after.signal) == (None, (), None)


def test_modes_and_owners(tmp_path: Path) -> None:
    key = {"path": "/run/key", "mode": "0640", "user": "0", "group": "root"}
    settings = load(tmp_path, PAIR | {"files": {"key": key}}, TOKEN | {"mode": "644", "user": "x"})
    (file,) = settings.outputs[0].all_files()
    assert (file.mode_bits(), file.owner().uid, file.owner().gid) == (0o640, 0, 0)
    (file,) = settings.outputs[1].all_files()
    assert file.mode_bits() == 0o644
    with pytest.raises(OwnerFailure, match="there is no user 'x'"):
        file.owner()


def test_identities(tmp_path: Path) -> None:
    jwt = {"audience": ["a", "b"], "hint": "external"}
    settings = load(tmp_path, TOKEN | {"jwt": jwt}, PAIR | {"x509": {"spiffe_id": "spiffe://a/b"}})
    token, pair = settings.outputs
    assert token.jwt is not None
    assert (token.jwt.identity().hint, token.jwt.identity().spiffe_id) == ("external", None)
    assert pair.x509 is not None
    assert str(pair.x509.identity().spiffe_id) == "spiffe://a/b"


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"name": "a b"}, "name"),
        ({"name": ""}, "name"),
        ({"jwt": None}, "exactly one of"),
        ({"x509": {}}, "exactly one of"),
        ({"jwt": {"audience": []}}, "audience"),
        ({"jwt": {"audience": [""]}}, "audience"),
        ({"jwt": {}}, "audience"),
        ({"jwt": {"audience": ["a"], "spiffe_id": "x"}}, "spiffe_id"),
        ({"jwt": {"audience": ["a"], "spiffe_id": "spiffe://a/b", "hint": "h"}}, "at most one"),
        ({"path": None}, "has a `path`"),
        ({"path": "relative"}, "absolute"),
        ({"files": FILES}, "no `files`"),
        ({"mode": "rw"}, "mode"),
        ({"mode": "4755"}, "mode"),
        ({"mode": 600}, "mode"),
        ({"folder": "/run/other", "path": "t"}, "not in `folders`"),
        ({"folder": "/run/f", "path": "/run/f/t"}, "plain name"),
        ({"folder": "/run/f", "path": "..data"}, "plain name"),
        ({"folder": "/run/f", "path": "."}, "plain name"),
        ({"after": {"signal": {"pid_file": "relative"}}}, "absolute"),
        ({"after": {"signal": {"pid_file": "/p", "signal": "x"}}}, "knows no signal"),
        ({"after": {"timeout_seconds": 0}}, "timeout_seconds"),
        ({"surprise": 1}, "surprise"),
    ],
)
def test_an_output_that_is_none(tmp_path: Path, change: dict[str, Any], said: str) -> None:
    output = {name: value for name, value in {**TOKEN, **change}.items() if value is not None}
    with pytest.raises(InvalidConfig) as caught:
        load(tmp_path, output, folders=[FOLDER])
    assert said in caught.value.message


@pytest.mark.parametrize(
    ("output", "said"),
    [
        (PAIR | {"path": "/run/x"}, "no `path`"),
        (PAIR | {"files": {}}, "at least one file"),
        ({"name": "p", "x509": {}, "path": "/run/x"}, "has `files`"),
        (PAIR | {"x509": {"intermediates": "nowhere"}}, "intermediates"),
        (PAIR | {"files": {"key": {"path": "key"}}}, "absolute"),
        (PAIR | {"files": {"key": {"path": "/k"}, "bundle": {"path": "/k"}}}, "twice: /k"),
    ],
)
def test_a_pair_that_is_none(tmp_path: Path, output: dict[str, Any], said: str) -> None:
    with pytest.raises(InvalidConfig) as caught:
        load(tmp_path, output)
    assert said in caught.value.message


@pytest.mark.parametrize(
    ("others", "said"),
    [
        ({"outputs": []}, "outputs"),
        ({"outputs": [TOKEN, TOKEN | {"path": "/run/u"}]}, "different names; twice: t"),
        ({"outputs": [TOKEN, TOKEN | {"name": "u"}]}, "different paths; twice: /run/t"),
        (
            {
                "outputs": [
                    TOKEN | {"path": "/run/f/t"},
                    TOKEN | {"name": "u", "folder": "/run/f", "path": "t"},
                ]
            },
            "twice: /run/f/t",
        ),
        ({"folders": [FOLDER, FOLDER]}, "Folders must be different"),
        ({"folders": [{"path": "relative"}]}, "absolute"),
        ({"program": {"command": []}}, "command"),
        ({"program": {"command": ["a"], "signal": "x"}}, "knows no signal"),
        ({"program": {"command": ["a"], "signal_for": ["x"]}}, "names no output: x"),
        ({"program": {"command": ["a"], "restart": "on-change"}}, "restart"),
        ({"workload_api": {"address": "http://x"}}, "address"),
        ({"workload_api": {"timeout_seconds": 0}}, "timeout_seconds"),
        ({"allow_shared_folders": "yes"}, "allow_shared_folders"),
    ],
)
def test_settings_that_do_not_fit(tmp_path: Path, others: dict[str, Any], said: str) -> None:
    document = {"outputs": [TOKEN], "folders": [FOLDER], **others}
    with pytest.raises(InvalidConfig) as caught:
        load(tmp_path, *document.pop("outputs"), **document)
    assert said in caught.value.message


ROLE = "arn:aws:iam::123456789012:role/web"
AWS = {"name": "a", "aws": {"role_arn": ROLE}, "path": "/run/a"}
ANCHOR = "arn:aws:rolesanywhere:eu-central-1:123456789012:trust-anchor/1"
ANYWHERE = {"role_arn": ROLE, "trust_anchor_arn": ANCHOR, "profile_arn": "p"}
VAULT = {"address": "https://vault.example.org", "audience": "vault"}
ENDPOINT = {"address": "127.0.0.1:9911", "authorization": {"path": "/run/secret"}}
SERVED = {"name": "s", "jwt": {"audience": ["a"]}, "endpoint": ENDPOINT}
TEMPLATE = {"name": "t", "template": {"path": "/etc/t"}, "path": "/run/t"}


@pytest.mark.parametrize(
    ("output", "setting", "said"),
    [
        (AWS | {"aws": {}}, "aws.role_arn", "missing"),
        (AWS | {"aws": {"role_arn": "x" * 20}}, "aws.role_arn", "Expected an ARN"),
        (AWS | {"aws": {"role_arn": ROLE, "duration_seconds": 1}}, "duration_seconds", ">= 900"),
        (AWS | {"aws": {"role_arn": ROLE, "session_name": "a b"}}, "session_name", "pattern"),
        (AWS | {"aws": {"role_arn": ROLE, "region": "cn-north-1"}}, "region", "partition"),
        (AWS | {"aws": {"role_arn": ROLE, "region": "x/y"}}, "aws.region", "is no region"),
        (AWS | {"aws": {"role_arn": ROLE, "profile": "a]"}}, "aws.profile", "no name"),
        (AWS | {"aws": {"role_arn": ROLE, "endpoint": "http://a"}}, "aws.endpoint", "https"),
        (AWS | {"aws": {"role_arn": ROLE, "call": {"ca_file": "x"}}}, "ca_file", "absolute"),
        (AWS | {"jwt": {"audience": ["a"]}}, "name", "exactly one of"),
        (AWS | {"path": None}, "path", "has a `path`"),
        (
            {"name": "r", "roles_anywhere": ANYWHERE | {"profile_arn": ""}, "path": "/r"},
            "profile_arn",
            "missing",
        ),
        (
            {"name": "r", "roles_anywhere": ANYWHERE | {"trust_anchor_arn": "x"}, "path": "/r"},
            "roles_anywhere.region",
            "no region is named",
        ),
        ({"name": "v", "vault": {"audience": "a"}, "path": "/v"}, "vault.address", "missing"),
        ({"name": "v", "vault": VAULT | {"audience": ""}, "path": "/v"}, "audience", "missing"),
        ({"name": "v", "vault": VAULT | {"mount": "../x"}, "path": "/v"}, "mount", "no path"),
        ({"name": "v", "vault": VAULT | {"namespace": "é"}, "path": "/v"}, "namespace", "no path"),
        ({"name": "v", "vault": VAULT, "endpoint": ENDPOINT}, "endpoint", "can be served"),
        (SERVED | {"path": "/run/x"}, "endpoint", "leave `path` out"),
        (SERVED | {"mode": "0644"}, "endpoint", "leave `path` out"),
        (SERVED | {"template": {"path": "/t"}}, "endpoint", "can be served"),
        (SERVED | {"endpoint": ENDPOINT | {"address": "0.0.0.0:1"}}, "address", "this machine"),
        (
            SERVED | {"endpoint": ENDPOINT | {"authorization": {"path": "x"}}},
            "authorization.path",
            "absolute",
        ),
        (TEMPLATE, "template", "filled from"),
        (TEMPLATE | {"jwt_bundles": {}}, "template", "filled from"),
        (TEMPLATE | {"jwt": {"audience": ["a"]}, "template": {"path": "t"}}, "path", "absolute"),
        (
            {"name": "x", "x509": {}, "files": {"key_store": {"path": "/k"}}},
            "x509.pkcs12",
            "password_file",
        ),
        (PAIR | {"x509": {"pkcs12": {"password_file": "x"}}}, "password_file", "absolute"),
    ],
)
def test_a_kind_is_refused_by_line_and_name(
    tmp_path: Path, output: dict[str, Any], setting: str, said: str
) -> None:
    with pytest.raises(InvalidConfig) as caught:
        load(tmp_path, {name: value for name, value in output.items() if value is not None})
    where, _, what = caught.value.message.partition(": ")
    assert where.endswith("helper.yaml:1")
    assert setting in what.partition(": ")[0]
    assert said in what


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"authorization": {"path": "/run/other"}}, "different addresses; twice: 127.0.0.1:9911"),
        ({"address": "127.0.0.1:9912"}, "different paths; twice: /run/secret"),
    ],
)
def test_endpoints_share_nothing(tmp_path: Path, change: dict[str, Any], said: str) -> None:
    with pytest.raises(InvalidConfig) as caught:
        load(tmp_path, SERVED, SERVED | {"name": "u", "endpoint": ENDPOINT | change})
    assert said in caught.value.message


@pytest.mark.parametrize(
    "output", [AWS, SERVED, {"name": "v", "vault": VAULT, "path": "/v"}], ids=lambda o: o["name"]
)
def test_a_kind_is_taken(tmp_path: Path, output: dict[str, Any]) -> None:
    assert load(tmp_path, output).outputs[0].name == output["name"]
