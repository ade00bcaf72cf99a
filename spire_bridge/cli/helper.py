"""`spire-bridge helper`: keep files fresh, run and signal the program that uses them."""

from __future__ import annotations

import argparse
from pathlib import Path

from spire_bridge import __version__
from spire_bridge.cli.arguments import duration
from spire_bridge.cli.command import Subparsers, add_command

_ONCE_SECONDS = 60.0
_NATIVE = frozenset({".yaml", ".yml"})
# What Go's flag package takes for a bool, always behind an equals sign: a word that stands by
# itself ends the options there. So each is an option of its own here.
_BOOLS = {
    **dict.fromkeys(("1", "t", "T", "true", "TRUE", "True"), True),
    **dict.fromkeys(("0", "f", "F", "false", "FALSE", "False"), False),
}


def add_parser(subparsers: Subparsers) -> None:
    parser = add_command(
        subparsers,
        "helper",
        run=run,
        summary="keep SVIDs and credentials fresh in files, and tell programs of it",
        description="""
        Keep SVIDs and credentials fresh in files, and run or signal the program that uses
        them. SIGHUP reads the configuration again; SIGTERM and SIGINT end the helper and the
        program, and leave the files as they are.

        A file whose name ends in .yaml or .yml is the helper's own configuration. Any other
        is one of SPIFFE's spiffe-helper, HCL or JSON, whose place the helper then takes; with
        that, SIGHUP is passed on to the program.
        """,
        examples="""
          spire-bridge helper --config helper.yaml
          spire-bridge helper --config helper.yaml --once --timeout 30s
          spire-bridge helper -config helper.conf
          spire-bridge helper -config helper.conf -daemon-mode=false
        """,
    )
    parser.add_argument(
        "-config",
        "--config",
        type=Path,
        metavar="FILE",
        default=Path("helper.conf"),
        help="the configuration (default: helper.conf)",
    )
    parser.add_argument(
        "--once",
        dest="daemon_mode",
        action="store_const",
        const=False,
        help="write every output once, and end",
    )
    parser.add_argument(
        "--timeout",
        metavar="T",
        type=duration,
        default=_ONCE_SECONDS,
        help="with --once, how long an agent or an entry may take to appear (default: 1m)",
    )
    _add_daemon_mode(parser)
    # As Go's programs have it.
    parser.add_argument("-help", action="help", help=argparse.SUPPRESS)
    parser.add_argument(
        "-version", "--version", action="version", version=f"spire-bridge {__version__}"
    )


def _add_daemon_mode(parser: argparse.ArgumentParser) -> None:
    names = ("-daemon-mode", "--daemon-mode")
    parser.add_argument(
        *names,
        action="store_const",
        const=True,
        help="go on, whatever the file says; with =false, the same as --once",
    )
    for text, value in _BOOLS.items():
        parser.add_argument(
            *(f"{name}={text}" for name in names),
            dest="daemon_mode",
            action="store_const",
            const=value,
            help=argparse.SUPPRESS,
        )


def run(arguments: argparse.Namespace) -> int:
    if arguments.config.suffix.lower() not in _NATIVE:
        from spire_bridge.service.drop_in.spiffe_helper.run import run_as_spiffe_helper

        run_as_spiffe_helper(
            arguments.config, daemon=arguments.daemon_mode, timeout_seconds=arguments.timeout
        )
        return 0
    from spire_bridge.service.helping.run import run_helper, write_outputs

    if arguments.daemon_mode is False:
        write_outputs(arguments.config, arguments.timeout)
        return 0
    return run_helper(arguments.config)
