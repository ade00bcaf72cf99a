"""Generates spire_bridge/_proto from the .proto files beside this script.

protoc registers what it generates in one process-wide descriptor pool, where a
second definition of the same service is an error. The last step therefore points
the generated modules to a pool of our own, so that other packages that speak the
Workload API can be imported in the same process.

    python proto/generate.py            writes spire_bridge/_proto
    python proto/generate.py --check    compares instead; exit 1 if it is out of date
"""

import argparse
import filecmp
import sys
import tempfile
from importlib.resources import files
from pathlib import Path

from grpc_tools import protoc

HERE = Path(__file__).parent
PACKAGE = Path("spire_bridge/_proto")
DEFAULT_POOL = "_descriptor_pool.Default()"


def generate(root: Path) -> list[Path]:
    """Writes the modules of every .proto file below `root` and returns their paths."""
    sources = [f"{PACKAGE}/{path.name}" for path in sorted(HERE.glob("*.proto"))]
    arguments = [
        "protoc",
        f"--proto_path={PACKAGE}={HERE}",
        f"--proto_path={files('grpc_tools') / '_proto'}",
        f"--python_out={root}",
        f"--pyi_out={root}",
        f"--grpc_python_out={root}",
        *sources,
    ]
    if protoc.main(arguments) != 0:
        sys.exit("protoc failed")
    modules = sorted((root / PACKAGE).glob("*_pb2*.py*"))
    for module in modules:
        module.write_text(with_private_pool(module.read_text()))
    return modules


def with_private_pool(code: str) -> str:
    """The same module, registering in `spire_bridge._proto.pool` instead of the default pool."""
    if DEFAULT_POOL not in code:
        return code
    return code.replace(
        "from google.protobuf import descriptor_pool as _descriptor_pool",
        "from spire_bridge._proto.pool import POOL as _pool",
    ).replace(DEFAULT_POOL, "_pool")


def main() -> None:
    parser = argparse.ArgumentParser(description="Generate spire_bridge/_proto.")
    parser.add_argument("--check", action="store_true", help="compare with what is there")
    root = HERE.parent
    if not parser.parse_args().check:
        generate(root)
        return
    with tempfile.TemporaryDirectory() as scratch:
        fresh = generate(Path(scratch))
        stale = [
            path.name
            for path in fresh
            if not (root / PACKAGE / path.name).exists()
            or not filecmp.cmp(path, root / PACKAGE / path.name, shallow=False)
        ]
        orphans = {path.name for path in (root / PACKAGE).glob("*_pb2*.py*")} - {
            path.name for path in fresh
        }
    if stale or orphans:
        names = ", ".join(sorted({*stale, *orphans}))
        sys.exit(f"spire_bridge/_proto is out of date ({names}): run `make proto`")


if __name__ == "__main__":
    main()
