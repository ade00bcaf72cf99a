"""A configuration of spiffe-helper as native YAML."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from spire_bridge.config.hcl import InvalidHcl
from spire_bridge.config.yaml import parse
from spire_bridge.service.drop_in.converted import Converted
from spire_bridge.service.drop_in.spiffe_helper.arguments import renewal_signal, split_arguments
from spire_bridge.service.drop_in.spiffe_helper.config import HelperConfig, X509Files
from spire_bridge.service.drop_in.spiffe_helper.outputs import JWT_BUNDLES, X509, jwt_name
from spire_bridge.service.settings.helper import HelperSettings


def convert_helper(config: HelperConfig, *, name: str) -> Converted:
    """What `helper --config` needs to write the same files.

    Raises `BridgeError` if there is no native form: for two outputs in one file, for
    `cmd_args` that can't be split, for a signal that is unknown.
    """
    notes: list[str] = [*config.warnings]
    settings: dict[str, Any] = {
        "workload_api": {"address": config.agent_address},
        "outputs": _outputs(config, notes),
    }
    if config.cmd and config.renew_signal and config.daemon:
        settings["program"] = _program(config, notes)
    if config.health_checks is not None:
        checks = config.health_checks
        settings["health"] = {"address": f"127.0.0.1:{checks.port}"}
        notes.append(
            f"health_checks: {checks.live_path} and {checks.ready_path} are /livez and /readyz"
            " here, on loopback only unless health.address says otherwise"
        )
    if not config.daemon:
        notes.append("daemon_mode: helper --once writes the files and ends")
    notes.append("file modes: they are as given, whatever the umask and the files that are there")
    text = yaml.safe_dump(settings, sort_keys=False, allow_unicode=True)
    parse(text.encode(), HelperSettings, name=f"{name}, converted")
    return Converted(text, tuple(notes))


def _outputs(config: HelperConfig, notes: list[str]) -> list[dict[str, Any]]:
    hint = {"hint": config.hint} if config.hint else {}
    outputs: list[dict[str, Any]] = []
    if config.x509 is not None:
        outputs.append(_x509(config, config.x509, hint, notes))
    if config.jwt_bundle:
        file = _file(config.jwt_bundle, config.modes.jwt_bundle)
        outputs.append({"name": JWT_BUNDLES, "jwt_bundles": {}, **file})
        notes.append("jwt_bundle_file_name: each JWK set stands there as it is, not in base64")
    for number, token in enumerate(config.jwt_svids):
        kind = {"audience": list(token.audience), **hint}
        file = _file(token.path, config.modes.jwt_svid)
        outputs.append({"name": jwt_name(number), "jwt": kind, **file})
    return outputs


def _x509(
    config: HelperConfig, files: X509Files, hint: dict[str, str], notes: list[str]
) -> dict[str, Any]:
    kind: dict[str, Any] = dict(hint)
    if files.intermediates_in_bundle:
        kind["intermediates"] = "bundle"
    kind |= {option: True for option in ("federated", "omit_expired") if getattr(files, option)}
    output: dict[str, Any] = {
        "name": X509,
        "x509": kind,
        "files": {
            "certificates": _file(files.certificates, config.modes.certificates),
            "key": _file(files.key, config.modes.key),
            "bundle": _file(files.bundle, config.modes.certificates),
        },
    }
    if after := _after(config, notes):
        output["after"] = after
    return output


def _after(config: HelperConfig, notes: list[str]) -> dict[str, Any]:
    after: dict[str, Any] = {}
    if not config.daemon:
        return after
    if config.cmd and not config.renew_signal:
        after["run"] = [config.cmd, *split_arguments(config.cmd_args)]
        notes.append(
            "cmd: without renew_signal it is taken for a command that ends by itself, and run"
            " after each change; one that goes on is a `program`"
        )
    if config.pid_file:
        pid_file = str(Path(config.pid_file).absolute())
        after["signal"] = {"pid_file": pid_file, "signal": _signal(config)}
    return after


def _program(config: HelperConfig, notes: list[str]) -> dict[str, Any]:
    notes.append("cmd: it is started again when it ends, not at the next change")
    return {
        "command": [config.cmd, *split_arguments(config.cmd_args)],
        "signal": _signal(config),
        "signal_for": [X509],
        "restart": "on-exit",
    }


def _signal(config: HelperConfig) -> str:
    number = renewal_signal(config.renew_signal)
    if number is None:
        raise InvalidHcl(
            f"renew_signal {config.renew_signal!r} is unknown",
            hint="it is a name such as SIGHUP",
        )
    return number.name


def _file(path: str, mode: int) -> dict[str, str]:
    return {"path": str(Path(path).absolute()), "mode": f"{mode:04o}"}
