"""The helper's units fit its examples and each other; systemd-analyze agrees where it is."""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
from pathlib import Path

import pytest

from spire_bridge.cli.main import build_parser
from spire_bridge.service.settings.helper import load_helper_settings

ROOT = Path(__file__).parents[3]
UNITS = ROOT / "deploy" / "systemd"
HELPER = (UNITS / "spire-bridge-helper.service").read_text()
ISSUER = (UNITS / "spire-bridge.service").read_text()
CREDENTIAL = (UNITS / "credential-from-helper.conf").read_text()
EXAMPLES = sorted((ROOT / "conf").glob("helper*.yaml"))
RUN = Path("/run/spire-bridge-helper")
WORST_EXPOSURE = 1.5

# What lets a process do less, and differs in neither unit.
_CONFINEMENT = r"(?m)^((?:Protect|Private|Restrict|NoNew|Capability|Lock|Memory|Remove)\w*=.*)$"


def setting(name: str, unit: str) -> str:
    """What the unit says last of a setting."""
    return re.findall(rf"(?m)^{name}=(.*)$", unit)[-1]


def test_the_unit_runs_the_helper() -> None:
    program, *arguments = shlex.split(setting("ExecStart", HELPER))
    assert Path(program).name == "spire-bridge"
    parsed = build_parser().parse_args(arguments)
    assert parsed.config.parent == Path("/etc") / setting("ConfigurationDirectory", HELPER)
    assert parsed.daemon_mode is not False


@pytest.mark.parametrize("unit", [HELPER, ISSUER], ids=["helper", "issuer"])
def test_both_services_are_supervised_alike(unit: str) -> None:
    assert setting("Type", unit) == "notify"
    assert setting("WatchdogSec", unit) == "30"
    assert setting("ExecReload", unit) == "/bin/kill -HUP $MAINPID"
    assert setting("RestartPreventExitStatus", unit) == "2"


def test_the_helper_is_confined_as_the_issuer_is() -> None:
    helper, issuer = (re.findall(_CONFINEMENT, unit) for unit in (HELPER, ISSUER))
    assert len(helper) > 15
    assert helper == issuer


@pytest.mark.parametrize("unit", [HELPER, ISSUER], ids=["helper", "issuer"])
def test_the_users_of_the_units_are_made(unit: str) -> None:
    users = (UNITS / "spire-bridge.sysusers").read_text()
    assert re.search(rf"(?m)^u {setting('User', unit)} ", users)


def test_neither_service_empties_the_others_directory() -> None:
    mine, others = (Path("/run") / setting("RuntimeDirectory", unit) for unit in (HELPER, ISSUER))
    assert mine == RUN
    assert not mine.is_relative_to(others)
    assert not others.is_relative_to(mine)
    assert setting("RuntimeDirectoryPreserve", HELPER) == "yes", "the last good files stay"


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda path: path.name)
def test_the_examples_write_only_where_the_unit_lets_them(example: Path) -> None:
    settings = load_helper_settings(example)
    for output in settings.outputs:
        for file in output.all_files():
            assert (Path(output.folder or "/") / file.path).is_relative_to(RUN)
    assert {Path(folder.path).parent for folder in settings.folders} <= {RUN}
    if settings.program is not None:
        assert float(setting("TimeoutStopSec", HELPER)) >= 2 * settings.program.stop_seconds


def test_a_credential_is_handed_over_from_where_the_helper_writes() -> None:
    name, path = setting("LoadCredential", CREDENTIAL).split(":")
    assert Path(path).parent == RUN
    assert setting("Environment", CREDENTIAL).endswith(f"=%d/{name}")
    assert setting("After", CREDENTIAL) == "spire-bridge-helper.service"


@pytest.mark.parametrize(("follower", "verb"), [("reload", "try-reload-or-"), ("restart", "try-")])
def test_a_change_reaches_the_service_of_that_name(follower: str, verb: str) -> None:
    path = (UNITS / f"spire-bridge-{follower}@.path").read_text()
    service = (UNITS / f"spire-bridge-{follower}@.service").read_text()
    assert setting("PathChanged", path) == f"{RUN}/%i"
    assert setting("ExecStart", service) == f"/bin/systemctl {verb}restart %i.service"


@pytest.fixture
def analyze() -> str:
    program = shutil.which("systemd-analyze")
    if program is None:
        pytest.skip("systemd-analyze is not installed")
    return program


@pytest.fixture
def installed(tmp_path: Path) -> Path:
    """The units, with a program that is there, and an instance of each template."""
    for unit in UNITS.glob("spire-bridge*.*"):
        text = unit.read_text().replace("/opt/spire-bridge/bin/spire-bridge", "/bin/true")
        (tmp_path / unit.name).write_text(text)
        if "@" in unit.name:
            (tmp_path / unit.name.replace("@", "@nginx")).write_text(text)
    return tmp_path


def test_systemd_finds_no_fault_with_the_units(analyze: str, installed: Path) -> None:
    units = [
        f"./{unit.name}"
        for unit in sorted(installed.iterdir())
        if unit.suffix != ".sysusers" and "@." not in unit.name
    ]
    assert len(units) == 7
    answer = subprocess.run(
        [analyze, "verify", "--man=no", *units], cwd=installed, capture_output=True, text=True
    )
    assert (answer.stderr, answer.returncode) == ("", 0)


@pytest.mark.parametrize("name", ["spire-bridge.service", "spire-bridge-helper.service"])
def test_systemd_rates_the_services_as_safe(analyze: str, installed: Path, name: str) -> None:
    answer = subprocess.run(
        [analyze, "security", "--offline=true", f"./{name}"],
        cwd=installed,
        capture_output=True,
        text=True,
    )
    [exposure] = re.findall(r"Overall exposure level for \S+: ([\d.]+)", answer.stdout)
    assert float(exposure) <= WORST_EXPOSURE
