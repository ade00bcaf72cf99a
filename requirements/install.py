"""Prepares .venv for one purpose, from the lock files beside this script.

    python3 requirements/install.py run|test|lint|lock

Each lock file is installed by hash; the project itself follows, editable and without
dependencies. What was installed is noted in .venv, so that a run with nothing changed
only compares. Needs nothing but Python; standard output stays empty.
"""

import sys

if sys.version_info < (3, 11):  # noqa: UP036 - this is where an older one is told so
    sys.exit(
        f"error: spire-bridge needs Python 3.11 or newer, and {sys.executable} is "
        f"{sys.version_info[0]}.{sys.version_info[1]}; name another one: make PYTHON=python3.13 ..."
    )

import hashlib
import importlib.util
import subprocess
import sysconfig
from pathlib import Path

LOCKS = Path(__file__).resolve().parent
ROOT = LOCKS.parent
VENV = ROOT / ".venv"
PYTHON = VENV / "bin" / "python"
PURPOSES = {
    "run": ["build", "run"],
    "test": ["build", "run", "extras", "test"],
    "lint": ["build", "run", "extras", "lint"],
    "lock": ["lock"],
}


def is_usable() -> bool:
    """Whether .venv is complete, was made at this place and belongs to this Python's version."""
    pip = VENV / "bin" / "pip"  # the last file that venv writes; its first line names its place
    packages = sysconfig.get_path("purelib", "venv", {"base": str(VENV)})
    return (
        PYTHON.exists()
        and Path(packages).is_dir()
        and pip.exists()
        and str(VENV) in pip.read_text()
    )


def make_environment() -> None:
    if not (importlib.util.find_spec("venv") and importlib.util.find_spec("ensurepip")):
        sys.exit(
            f"error: {sys.executable} comes without venv and ensurepip; "
            "on Debian and Ubuntu: apt install python3-venv"
        )
    say(f"making {VENV}")
    subprocess.run([sys.executable, "-m", "venv", "--clear", VENV], check=True)


def install(name: str, fingerprint_of: Path, arguments: list[str]) -> None:
    """Calls pip, unless this was installed before from a file of the same content."""
    note = VENV / f"installed-{name}"
    fingerprint = hashlib.sha256(fingerprint_of.read_bytes()).hexdigest()
    if note.exists() and note.read_text() == fingerprint:
        return
    say(f"installing {fingerprint_of.relative_to(ROOT)}")
    pip = [str(PYTHON), "-m", "pip", "--disable-pip-version-check", "install", "--quiet"]
    subprocess.run([*pip, *arguments], check=True)
    note.write_text(fingerprint)


def install_lock(name: str) -> None:
    lock = LOCKS / f"{name}.txt"
    # Building from source would fetch build dependencies that no hash covers.
    install(name, lock, ["--require-hashes", "--only-binary=:all:", "-r", str(lock)])


def install_project() -> None:
    here = ["--no-index", "--no-deps", "--no-build-isolation", "--editable", str(ROOT)]
    install("project", ROOT / "pyproject.toml", here)


def say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def main() -> None:
    purpose = sys.argv[1] if len(sys.argv) == 2 else ""
    if purpose not in PURPOSES:
        sys.exit(f"usage: {sys.argv[0]} {'|'.join(PURPOSES)}")
    try:
        if not is_usable():
            make_environment()
        for name in PURPOSES[purpose]:
            install_lock(name)
        if "run" in PURPOSES[purpose]:
            install_project()
    except subprocess.CalledProcessError as error:
        sys.exit(f"error: setting up {VENV} failed (exit status {error.returncode})")
    except KeyboardInterrupt:
        sys.exit(130)


if __name__ == "__main__":
    main()
