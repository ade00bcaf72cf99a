"""spiffe-helper's configurations as native YAML: the same files, and what is not said."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from spiffe_helpers.configurations import BUNDLE, TOKEN, X509, configurations, written

from spire_bridge.cli.main import main
from spire_bridge.config.hcl import InvalidHcl
from spire_bridge.config.yaml import InvalidConfig, parse
from spire_bridge.errors import BridgeError
from spire_bridge.service.drop_in.converted import Converted
from spire_bridge.service.drop_in.spiffe_helper.config import parse_helper_config
from spire_bridge.service.drop_in.spiffe_helper.convert import convert_helper
from spire_bridge.service.settings.helper import HelperSettings

ALL = {"agent_address": "/a.sock", "cert_dir": "/c", **X509, **BUNDLE, **TOKEN}


def converted(**options: Any) -> Converted:
    text = written({**ALL, **options})
    return convert_helper(parse_helper_config(text, name="helper.conf"), name="helper.conf")


def native(**options: Any) -> Any:
    text = converted(**options).yaml
    parse(text.encode(), HelperSettings, name="helper.yaml")
    return yaml.safe_load(text)


def file(name: str, mode: str = "0600") -> dict[str, str]:
    return {"path": f"/c/{name}", "mode": mode}


FILES = {
    "certificates": file("svid.pem", "0644"),
    "key": file("key.pem"),
    "bundle": file("bundle.pem", "0644"),
}


def test_the_files() -> None:
    document = native()
    assert document == {
        "workload_api": {"address": "unix:///a.sock"},
        "outputs": [
            {"name": "x509", "x509": {}, "files": FILES},
            {"name": "jwt-bundles", "jwt_bundles": {}, **file("bundle.json")},
            {"name": "jwt-1", "jwt": {"audience": ["one"]}, **file("one.jwt")},
            {"name": "jwt-2", "jwt": {"audience": ["two"]}, **file("sub.two")},
        ],
    }


@pytest.mark.parametrize("configuration", list(configurations(30)), ids=str)
def test_each_configuration_loads(configuration: Any, tmp_path: Path) -> None:
    text = configuration.text(tmp_path / "a.sock", tmp_path)
    yaml_text = convert_helper(parse_helper_config(text, name="x"), name="x").yaml
    assert parse(yaml_text.encode(), HelperSettings, name="x").outputs


@pytest.mark.parametrize(
    ("option", "value", "output", "part", "expected"),
    [
        ("add_intermediates_to_bundle", True, 0, "x509", {"intermediates": "bundle"}),
        ("include_federated_domains", True, 0, "x509", {"federated": True}),
        ("omit_expired", True, 0, "x509", {"omit_expired": True}),
        ("hint", "h", 0, "x509", {"hint": "h"}),
        ("hint", "h", 2, "jwt", {"audience": ["one"], "hint": "h"}),
        ("jwt_bundle_file_mode", "0640", 1, "mode", "0640"),
        ("jwt_svid_file_mode", "0640", 2, "mode", "0640"),
        ("cert_file_mode", "0640", 0, "files", {
            **FILES, "certificates": file("svid.pem", "0640"), "bundle": file("bundle.pem", "0640"),
        }),
        ("key_file_mode", "0640", 0, "files", {**FILES, "key": file("key.pem", "0640")}),
        ("cmd", "/bin/reload", 0, "after", {"run": ["/bin/reload"]}),
    ],
)  # fmt: skip
def test_an_option_of_an_output(
    option: str, value: object, output: int, part: str, expected: object
) -> None:
    assert native(**{option: value})["outputs"][output][part] == expected


def test_extra_audiences() -> None:
    token = {"jwt_audience": "a", "jwt_extra_audiences": ["b"], "jwt_svid_file_name": "t"}
    assert native(jwt_svids=[token])["outputs"][2]["jwt"] == {"audience": ["a", "b"]}


def test_a_program_that_is_signalled() -> None:
    document = native(cmd="/bin/web", cmd_args='-c "a b"', renew_signal="SIGHUP")
    assert document["program"] == {
        "command": ["/bin/web", "-c", "a b"],
        "signal": "SIGHUP",
        "signal_for": ["x509"],
        "restart": "on-exit",
    }


def test_a_pid_file() -> None:
    after = native(pid_file_name="/p", renew_signal="SIGUSR1")["outputs"][0]["after"]
    assert after == {"signal": {"pid_file": "/p", "signal": "SIGUSR1"}}


def test_health_checks() -> None:
    checks = {"listener_enabled": True, "bind_port": 9000}
    given = written({**ALL}) + "health_checks {\nlistener_enabled = true\nbind_port = 9000\n}\n"
    found = convert_helper(parse_helper_config(given, name="x"), name="x")
    assert yaml.safe_load(found.yaml)["health"] == {"address": f"127.0.0.1:{checks['bind_port']}"}
    assert any("/live and /ready are /livez and /readyz" in note for note in found.notes)


@pytest.mark.parametrize(
    ("options", "word"),
    [
        ({"cmd": "/bin/x"}, "cmd: without renew_signal"),
        ({"cmd": "/bin/x", "renew_signal": "SIGHUP"}, "cmd: it is started again"),
        ({"daemon_mode": False}, "helper --once"),
        ({"cmd": "/bin/x", "daemon_mode": False}, "cmd will be ignored"),
    ],
)
def test_what_is_not_said_is_told(options: dict[str, Any], word: str) -> None:
    assert any(word in note for note in converted(**options).notes)
    assert not any(word in note for note in converted().notes)


@pytest.mark.parametrize(
    ("options", "error"),
    [
        ({"cmd": "/bin/x", "renew_signal": "HUP"}, InvalidHcl),
        ({"cmd": "/bin/x", "cmd_args": '"'}, BridgeError),
        ({"jwt_bundle_file_name": "svid.pem"}, InvalidConfig),
    ],
)
def test_what_has_no_native_form(options: dict[str, Any], error: type[BridgeError]) -> None:
    with pytest.raises(error):
        converted(**options)


def test_the_command_tells_whose_a_file_is(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    conf = tmp_path / "some.conf"
    conf.write_text(written(ALL))
    assert main(["config", "convert", str(conf)]) == 0
    out, err = capsys.readouterr()
    assert yaml.safe_load(out) == native()
    assert "note: file modes" in err
    assert main(["config", "convert", str(conf), "--from", "spiffe-helper"]) == 0
    assert capsys.readouterr().out == out
    assert main(["config", "convert", str(conf), "--from", "oidc-discovery-provider"]) == 1
    conf.write_text("odd = 1\n")
    assert main(["config", "convert", str(conf)]) == 1
    assert "neither oidc-discovery-provider's nor spiffe-helper's" in capsys.readouterr().err
