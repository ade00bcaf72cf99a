"""`spire-bridge publish`."""

from __future__ import annotations

import argparse
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from spire_bridge.cli.arguments import add_output, duration
from spire_bridge.cli.command import Subparsers, add_command
from spire_bridge.cli.output import print_json, print_note
from spire_bridge.errors import EXIT_UNAVAILABLE, BridgeError

if TYPE_CHECKING:
    from spire_bridge.service.publishing.service import Outcome


def add_parser(subparsers: Subparsers) -> None:
    parser = add_command(
        subparsers,
        "publish",
        run=run,
        summary="write the issuer's documents to files or buckets",
        description="""
        Write the issuer's discovery document and JWK set to the targets that the
        configuration has under `publish`: directories, Amazon S3, Google Cloud Storage and
        Azure Blob Storage; or below one --directory. The configuration is that of `serve`;
        of its listeners only `health` is opened, by --watch. Several publishers may share a
        target: an older set of keys never replaces a newer one. --once ends with the status
        of the worst failure, and with 4 if trying again may help.
        """,
        examples="""
          spire-bridge publish --config issuer.yaml --once
          spire-bridge publish --config issuer.yaml --watch
          spire-bridge publish --config issuer.yaml --directory /srv/issuer --once
        """,
    )
    parser.add_argument(
        "--config", type=Path, metavar="FILE", required=True, help="the configuration, YAML"
    )
    parser.add_argument(
        "--directory",
        type=Path,
        metavar="DIR",
        help="publish here, and at none of the configured targets: the root of the issuer's"
        " host; the documents lie below, at the issuer's path",
    )
    how = parser.add_mutually_exclusive_group(required=True)
    how.add_argument(
        "--once", action="store_true", help="end when every source has answered and all is written"
    )
    how.add_argument(
        "--watch", action="store_true", help="go on and write every change, until SIGTERM or SIGINT"
    )
    parser.add_argument(
        "--timeout",
        metavar="T",
        type=duration,
        default=30.0,
        help="with --once, how long sources may take to answer, and targets to recover, such as"
        " 5s (default: 30s)",
    )
    add_output(parser)


def run(arguments: argparse.Namespace) -> int:
    from spire_bridge.service.publishing.service import publish_continuously, publish_once

    if arguments.watch:
        publish_continuously(arguments.config, arguments.directory)
        return 0
    as_json = arguments.output == "json"
    outcomes = publish_once(
        arguments.config,
        arguments.directory,
        timeout_seconds=arguments.timeout,
        log_format="json" if as_json else "text",
    )
    if as_json:
        print_json({"targets": [_as_json(outcome) for outcome in outcomes]})
    else:
        _print(outcomes)
    errors = {o.error.diagnostic(): o.error for o in outcomes if o.error is not None}
    return _raise_worst(list(errors.values()))  # what an issuer lacks, all its targets lack


def _print(outcomes: Iterable[Outcome]) -> None:
    for outcome in outcomes:
        if (publication := outcome.publication) is None:
            continue
        for place in publication.written:
            print(f"written    {place}")
        for place in publication.unchanged:
            print(f"unchanged  {place}")
        if outcome.visible is False:
            print_note(f"{outcome.target}: its public URL does not show this yet")


def _as_json(outcome: Outcome) -> dict[str, Any]:
    publication, error = outcome.publication, outcome.error
    return {
        "issuer": outcome.issuer,
        "name": outcome.target,
        "written": list(publication.written) if publication is not None else [],
        "unchanged": list(publication.unchanged) if publication is not None else [],
        "visible": outcome.visible,
        "error": {"code": error.code, "message": error.message} if error is not None else None,
    }


def _raise_worst(errors: list[BridgeError]) -> int:
    """Raises the worst, which decides on the exit status, and tells of the others."""
    errors.sort(key=lambda error: error.exit_status == EXIT_UNAVAILABLE)
    for error in errors[1:]:
        print_note(error.diagnostic())
    if errors:
        raise errors[0]
    return 0
