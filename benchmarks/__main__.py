"""`python -m benchmarks [NAME …]`: measures, then prints the table; all take seven minutes.

Progress goes to standard error. Nothing else should run on the machine meanwhile.
"""

from __future__ import annotations

import argparse
import sys
import time
from importlib import import_module

from benchmarks import machine
from benchmarks.table import Row, markdown

_BENCHMARKS = (
    "documents",
    "memory",
    "freshness",
    "fetch_jwt",
    "watched",
    "command",
    "helper",
    "evaluate",
)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks")
    parser.add_argument("name", nargs="*", help=f"which to run: {', '.join(_BENCHMARKS)}")
    names = parser.parse_args().name or _BENCHMARKS
    if unknown := set(names) - set(_BENCHMARKS):
        parser.error(f"no benchmark is named {', '.join(sorted(unknown))}")
    rows: list[Row] = []
    for name in names:
        started = time.monotonic()
        print(f"{name} …", end=" ", file=sys.stderr, flush=True)
        rows.extend(import_module(f"benchmarks.{name}").run())
        print(f"{time.monotonic() - started:.0f} s", file=sys.stderr)
    print(f"{markdown(rows)}\n\n{machine.description()}")


if __name__ == "__main__":
    main()
