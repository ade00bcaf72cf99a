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
