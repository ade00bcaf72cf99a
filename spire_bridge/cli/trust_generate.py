"""`spire-bridge trust generate`: what is to be configured at verifiers, from one description."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from spire_bridge.cli.arguments import add_output
from spire_bridge.cli.command import Subparsers, add_command
from spire_bridge.cli.output import print_json, print_note
from spire_bridge.errors import EXIT_FAILURE, EXIT_USAGE, BridgeError

if TYPE_CHECKING:
    from spire_bridge.service.trust.generation import Generated

# As in service.trust_settings, which a command line that is only parsed does not load.
_TARGETS = ("aws", "gcp", "azure", "vault", "kubernetes")


class InvalidSelection(BridgeError):
    """The targets that were asked for don't go with the description or the other options."""

    code = "USAGE"
    exit_status = EXIT_USAGE


def add_parser(subparsers: Subparsers) -> None:
    parser = add_command(
        subparsers,
        "generate",
        run=run,
        summary="write Terraform and Kubernetes configuration from a description of workloads",
        description="""
        Write what is to be configured at AWS, Google Cloud, Entra, Vault or OpenBao as
        Terraform, and at Kubernetes as AuthenticationConfiguration, from one description of
        who the workloads are and what they become where. The same description always gives
        the same bytes, in the layout of `terraform fmt`.

        Before anything is written, the verifiers' documented rules are asked: each workload
        that is meant must be let in, and neighbours must not: other paths and trust domains,
        other audiences and issuers. Files that were not generated are never replaced, and
        files of targets that are described no more are removed.

        With --check nothing is written: it ends with 1 and prints a diff if the files in the
        folder differ from what the description gives.
        """,
        examples="""
          spire-bridge trust generate --description trust.yaml --output-dir terraform/
          spire-bridge trust generate --description trust.yaml --output-dir terraform/ --check
          spire-bridge trust generate --description trust.yaml --target kubernetes --stdout
        """,
    )
    parser.add_argument(
        "--description",
        type=Path,
        metavar="FILE",
        required=True,
        help="the description, YAML; conf/trust.yaml is a commented example",
    )
    where = parser.add_mutually_exclusive_group(required=True)
    where.add_argument(
        "--output-dir", type=Path, metavar="DIR", help="where the files go; it is made if need be"
    )
    where.add_argument(
        "--stdout", action="store_true", help="print the file of one target, and write nothing"
    )
    parser.add_argument(
        "--target",
        metavar="T",
        type=_targets,
        default=(),
        help=f"only these, with commas between: {', '.join(_TARGETS)} (default: all described)",
    )
    parser.add_argument(
        "--check", action="store_true", help="write nothing, and tell whether the files differ"
    )
    add_output(parser)


def run(arguments: argparse.Namespace) -> int:
    from spire_bridge.service.settings.trust import load_trust_settings
    from spire_bridge.service.trust.generation import FILES, generate

    settings = load_trust_settings(arguments.description)
    for target in arguments.target:
        if target not in settings.targets():
            raise InvalidSelection(f"{arguments.description} describes nothing at {target}")
    if arguments.stdout:
        wanted = arguments.target or settings.targets()
        if len(wanted) != 1 or arguments.check or arguments.output == "json":
            raise InvalidSelection(
                "--stdout prints the file of one target as it is",
                hint="name it with --target, and leave out --check and --output",
            )
        print(generate(settings, wanted).files[FILES[wanted[0]]], end="")
        return 0
    generated = generate(settings, arguments.target)
    as_json = arguments.output == "json"
    if arguments.check:
        return _check(generated, arguments.output_dir, as_json=as_json)
    return _write(generated, arguments.output_dir, as_json=as_json)


def _check(generated: Generated, folder: Path, *, as_json: bool) -> int:
    from spire_bridge.service.trust.generation import differences

    diff = differences(generated, folder)
    if as_json:
        print_json({"up_to_date": not diff, "diff": diff})
    else:
        print(diff, end="")
        print_note("the files differ from the description" if diff else "the files are up to date")
    return EXIT_FAILURE if diff else 0


def _write(generated: Generated, folder: Path, *, as_json: bool) -> int:
    from spire_bridge.service.trust.generation import write

    done = write(generated, folder)
    states = {
        **dict.fromkeys(done.written, "written"),
        **dict.fromkeys(done.unchanged, "unchanged"),
        **dict.fromkeys(done.removed, "removed"),
    }
    checked = generated.checked
    if as_json:
        files = [{"path": str(folder / name), "state": state} for name, state in states.items()]
        tokens = {"accepted": checked.accepted, "refused": checked.refused}
        print_json({"files": files, "tokens": tokens})
        return 0
    for name, state in states.items():
        print(f"{state:9}  {folder / name}")
    print_note(
        "by the verifiers' rules these workloads are let in, and neighbours are not: tried with"
        f" {checked.accepted} and {checked.refused} tokens"
    )
    return 0


def _targets(text: str) -> tuple[str, ...]:
    """Names with commas between."""
    names = tuple(dict.fromkeys(name.strip() for name in text.split(",")))
    unknown = [name for name in names if name not in _TARGETS]
    if unknown:
        raise argparse.ArgumentTypeError(f"{unknown[0]!r} is none of {', '.join(_TARGETS)}")
    return names
