"""`spire-bridge config`: check a configuration file, print its schema."""

from __future__ import annotations

import argparse
from pathlib import Path

from spire_bridge.cli.arguments import add_output
from spire_bridge.cli.command import Subparsers, add_command
from spire_bridge.cli.output import print_json


def add_parser(subparsers: Subparsers) -> None:
    group = add_command(subparsers, "config", summary="check configuration files")
    commands = group.add_subparsers(title="commands", metavar="COMMAND", required=True)
    check = add_command(
        commands,
        "check",
        run=run_check,
        summary="check a configuration file of `serve`",
        description="""
        Check a configuration file of `serve` without starting anything. Errors name the
        file, the line and the setting.
        """,
        examples="""
          spire-bridge config check issuer.yaml
        """,
    )
    check.add_argument("file", type=Path, metavar="FILE")
    add_output(check)
    add_command(
        commands,
        "schema",
        run=run_schema,
        summary="print the JSON Schema of the configuration file",
        examples="""
          spire-bridge config schema > issuer.schema.json
        """,
    )


def run_check(arguments: argparse.Namespace) -> int:
    from spire_bridge.cloud.issuer_url import check_issuer_url
    from spire_bridge.service.settings import load_serve_settings

    settings = load_serve_settings(arguments.file)
    urls = (url for issuer in settings.all_issuers() for url in issuer.issuer.issuer_urls())
    findings = [finding for url in urls for finding in check_issuer_url(url)]
    if arguments.output == "json":
        warnings = [{"verifier": f.verifier, "reason": f.reason} for f in findings]
        print_json({"file": str(arguments.file), "valid": True, "warnings": warnings})
        return 0
    print(f"{arguments.file} is valid")
    for finding in findings:
        print(f"warning: {finding.verifier} will refuse this issuer: {finding.reason}")
    return 0


def run_schema(_: argparse.Namespace) -> int:
    from spire_bridge.config.yaml import json_schema
    from spire_bridge.service.settings import ServeSettings

    print(json_schema(ServeSettings))
    return 0
