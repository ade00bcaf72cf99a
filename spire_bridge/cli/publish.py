"""`spire-bridge publish`."""

from __future__ import annotations

import argparse
from dataclasses import asdict
from pathlib import Path

from spire_bridge.cli.arguments import add_output, duration
from spire_bridge.cli.command import Subparsers, add_command
from spire_bridge.cli.output import print_json


def add_parser(subparsers: Subparsers) -> None:
    parser = add_command(
        subparsers,
        "publish",
        run=run,
        summary="write the issuer's documents to a directory",
        description="""
        Write the issuer's discovery document and JWK set below a directory, where a web
        server or a bucket's sync takes them from. The configuration is that of `serve`; its
        listeners are not opened. Several publishers may share the directory: a set of keys
        that was confirmed earlier never replaces one that was confirmed later. Ends with 4
        if no bundle has come.
        """,
        examples="""
          spire-bridge publish --config issuer.yaml --directory /srv/issuer --once
          spire-bridge publish --config issuer.yaml --directory /srv/issuer --watch
        """,
    )
    parser.add_argument(
        "--config", type=Path, metavar="FILE", required=True, help="the configuration, YAML"
    )
    parser.add_argument(
        "--directory",
        type=Path,
        metavar="DIR",
        required=True,
        help="the root of the issuer's host; the documents lie below, at the issuer's path",
    )
    how = parser.add_mutually_exclusive_group(required=True)
    how.add_argument(
        "--once", action="store_true", help="end when every source has answered and it is written"
    )
    how.add_argument(
        "--watch", action="store_true", help="go on and write every change, until SIGTERM or SIGINT"
    )
    parser.add_argument(
        "--timeout",
        metavar="T",
        type=duration,
        default=30.0,
        help="with --once, how long sources may take to answer, such as 5s (default: 30s)",
    )
    add_output(parser)


def run(arguments: argparse.Namespace) -> int:
    from spire_bridge.service.publish import publish_continuously, publish_once

    if arguments.watch:
        publish_continuously(arguments.config, arguments.directory)
        return 0
    as_json = arguments.output == "json"
    publication = publish_once(
        arguments.config,
        arguments.directory,
        timeout_seconds=arguments.timeout,
        log_format="json" if as_json else "text",
    )
    if as_json:
        print_json(asdict(publication))
    else:
        for path in publication.written:
            print(f"written    {path}")
        for path in publication.unchanged:
            print(f"unchanged  {path}")
    return 0
