"""The systemd unit and the image start what there is, with the paths of the examples."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path

import pytest
import yaml

from spire_bridge.cli.main import build_parser
from spire_bridge.service.settings.serve import load_serve_settings

ROOT = Path(__file__).parents[3]
UNIT = (ROOT / "deploy" / "systemd" / "spire-bridge.service").read_text()
SOCKET = (ROOT / "deploy" / "systemd" / "spire-bridge.socket").read_text()
DOCKERFILE = (ROOT / "deploy" / "Dockerfile").read_text()


def setting(name: str, unit: str = UNIT) -> str:
    """What the unit says last of a setting."""
    return re.findall(rf"(?m)^{name}=(.*)$", unit)[-1]


def instruction(name: str) -> str:
    """The last such instruction of the Dockerfile, without its name."""
    return re.findall(rf"(?m)^{name} (.*)$", DOCKERFILE)[-1]


def test_the_unit_runs_serve() -> None:
    program, *arguments = shlex.split(setting("ExecStart"))
    assert Path(program).name == "spire-bridge"
    config = build_parser().parse_args(arguments).config
    assert config.parent == Path("/etc") / setting("ConfigurationDirectory")


def test_the_examples_write_only_where_the_unit_lets_them() -> None:
    state = Path("/var/lib") / setting("StateDirectory")
    copy = load_serve_settings(ROOT / "conf" / "issuer.yaml").last_good.path
    assert copy is not None
    assert Path(copy).parent == state
    for name in ("several-issuers", "issuer-under-systemd", "issuer-with-acme"):
        settings = load_serve_settings(ROOT / "conf" / f"{name}.yaml")
        copies = [one.last_good.path for one in settings.all_issuers()]
        acme = settings.listen.tls.acme if settings.listen.tls is not None else None
        written = [*copies, acme.folder if acme is not None else None]
        assert {Path(path).parent for path in written if path is not None} == {state}
    socket = load_serve_settings(ROOT / "conf" / "issuer-on-a-server.yaml").listen.socket
    assert socket is not None
    assert Path(socket).parent == Path("/run") / setting("RuntimeDirectory")


def test_the_socket_unit_has_the_name_that_the_example_asks_for() -> None:
    listen = load_serve_settings(ROOT / "conf" / "issuer-under-systemd.yaml").listen
    assert listen.systemd == setting("FileDescriptorName", SOCKET)
    assert setting("ListenStream", SOCKET) == "443"
    assert re.findall(r"(?m)^(?:Accept|Service)=", SOCKET) == []


def test_the_unit_waits_for_both_listeners_to_drain() -> None:
    for example in sorted((ROOT / "conf").glob("issuer*.yaml")):
        settings = load_serve_settings(example)
        drain = settings.listen.drain_seconds + settings.health.drain_seconds
        assert float(setting("TimeoutStopSec")) >= 2 * drain


def test_the_user_of_the_unit_is_made() -> None:
    users = (ROOT / "deploy" / "systemd" / "spire-bridge.sysusers").read_text()
    assert re.search(rf"(?m)^u {setting('User')} ", users)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("NoNewPrivileges", "yes"),
        ("CapabilityBoundingSet", ""),
        ("ProtectSystem", "strict"),
        ("ProtectHome", "yes"),
        ("PrivateTmp", "yes"),
        ("MemoryDenyWriteExecute", "yes"),
        ("RestrictAddressFamilies", "AF_UNIX AF_INET AF_INET6"),
        ("ExecReload", "/bin/kill -HUP $MAINPID"),
    ],
)
def test_the_unit_is_hardened(name: str, value: str) -> None:
    assert setting(name) == value


def test_the_image_runs_serve() -> None:
    [program] = json.loads(instruction("ENTRYPOINT"))
    assert Path(program).name == "spire-bridge"
    assert build_parser().parse_args(json.loads(instruction("CMD"))).config


def test_the_image_runs_as_the_user_of_the_manifests() -> None:
    manifests = yaml.safe_load_all((ROOT / "deploy" / "kubernetes" / "issuer.yaml").read_text())
    deployment = next(m for m in manifests if m["kind"] == "Deployment")
    context = deployment["spec"]["template"]["spec"]["securityContext"]
    assert instruction("USER") == f"{context['runAsUser']}:{context['runAsGroup']}"


def test_the_build_installs_by_hash() -> None:
    joined = DOCKERFILE.replace("\\\n", " ")
    installs = re.findall(r"install .*?(?=&&|\n)", joined)
    assert len(installs) == 3
    assert [i for i in installs if "--require-hashes" not in i and "--no-index" not in i] == []


def test_the_image_has_the_extras_unless_they_are_declined() -> None:
    assert instruction("ARG") == "EXTRAS=yes"
    joined = DOCKERFILE.replace("\\\n", " ")
    assert re.search(r"run\.txt +\$\{EXTRAS:\+-r requirements/extras\.txt\}", joined)


def test_what_the_build_copies_exists_and_is_in_its_context() -> None:
    copied = {
        source
        for arguments in re.findall(r"(?m)^COPY (?!--from)(.*)$", DOCKERFILE)
        for source in arguments.split()[:-1]
    }
    ignored, *rules = [
        line
        for line in (ROOT / ".dockerignore").read_text().splitlines()
        if not line.startswith("#")
    ]
    assert ignored == "*"
    assert {rule[1:] for rule in rules if rule.startswith("!")} == copied
    assert [source for source in copied if not (ROOT / source).exists()] == []
