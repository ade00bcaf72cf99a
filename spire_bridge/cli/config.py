"""`spire-bridge config`: check a configuration file, print its schema, convert another's."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from spire_bridge.cli.arguments import add_output
from spire_bridge.cli.command import Subparsers, add_command
from spire_bridge.cli.output import print_json, print_note

if TYPE_CHECKING:
    from spire_bridge.cloud.finding import Finding
    from spire_bridge.service.drop_in.converted import Converted
    from spire_bridge.service.settings.base import Settings


def add_parser(subparsers: Subparsers) -> None:
    group = add_command(subparsers, "config", summary="check and convert configuration files")
    commands = Subparsers(group)
    check = add_command(
        commands,
        "check",
        run=run_check,
        summary="check a configuration file",
        description="""
        Check a configuration file of `serve` or `helper`, or a description of
        `trust generate`, without starting anything. The names of its settings show which
        it is. Errors name the file, the line and the setting.
        """,
        examples="""
          spire-bridge config check issuer.yaml
          spire-bridge config check helper.yaml
        """,
    )
    check.add_argument("file", type=Path, metavar="FILE")
    add_output(check)
    convert = add_command(
        commands,
        "convert",
        run=run_convert,
        summary="print a configuration of SPIRE's own programs as native YAML",
        description="""
        Print a configuration of SPIRE's oidc-discovery-provider or of spiffe-helper, HCL or
        JSON, as the YAML of `serve --config` or `helper --config`. What the native
        configuration does not say is told on standard error. `serve --odp-config` and
        `helper -config` take the files as they are; the YAML offers more.
        """,
        examples="""
          spire-bridge config convert oidc-discovery-provider.conf > issuer.yaml
          spire-bridge config convert odp.conf --trust-domain example.org
          spire-bridge config convert helper.conf > helper.yaml
        """,
    )
    convert.add_argument("file", type=Path, metavar="FILE")
    convert.add_argument(
        "--from",
        dest="dialect",
        choices=("oidc-discovery-provider", "spiffe-helper"),
        help="whose configuration it is (default: whose options it has)",
    )
    convert.add_argument(
        "--trust-domain",
        metavar="NAME",
        help="the issuer's trust domain, which only a workload_api section names",
    )
    convert.add_argument(
        "-expandEnv",
        "--expand-env",
        action="store_true",
        help="replace $NAME and ${NAME} in the file, as oidc-discovery-provider does",
    )
    add_output(convert)
    schema = add_command(
        commands,
        "schema",
        run=run_schema,
        summary="print the JSON Schema of the configuration file",
        examples="""
          spire-bridge config schema > issuer.schema.json
          spire-bridge config schema helper > helper.schema.json
          spire-bridge config schema trust > trust.schema.json
        """,
    )
    schema.add_argument(
        "kind",
        choices=("serve", "helper", "trust"),
        nargs="?",
        default="serve",
        help="the configuration of serve or helper, or the description of trust generate"
        " (default: serve)",
    )


def run_check(arguments: argparse.Namespace) -> int:
    from spire_bridge.service.settings.kinds import kind_of, load_settings

    settings = load_settings(arguments.file)
    kind = kind_of(settings)
    findings = _findings(settings)
    if arguments.output == "json":
        warnings = [{"verifier": f.verifier, "reason": f.reason} for f in findings]
        print_json({"file": str(arguments.file), "kind": kind, "valid": True, "warnings": warnings})
        return 0
    print(f"{arguments.file} is valid ({kind})")
    for finding in findings:
        print(f"warning: {finding.verifier} will refuse this issuer: {finding.reason}")
    return 0


def _findings(settings: Settings) -> list[Finding]:
    """What verifiers will object to of issuers that are configured."""
    from spire_bridge.cloud.issuer_url import check_issuer_url
    from spire_bridge.service.settings.serve import ServeSettings

    if not isinstance(settings, ServeSettings):
        return []
    urls = (url for issuer in settings.all_issuers() for url in issuer.issuer.issuer_urls())
    return [finding for url in urls for finding in check_issuer_url(url)]


def run_convert(arguments: argparse.Namespace) -> int:
    from spire_bridge.service.drop_in.dialect import dialect_of

    dialect = arguments.dialect or dialect_of(arguments.file)
    converted = _helper(arguments) if dialect == "spiffe-helper" else _issuer(arguments)
    if arguments.output == "json":
        print_json({"yaml": converted.yaml, "notes": converted.notes})
        return 0
    for note in converted.notes:
        print_note(f"note: {note}")
    print(converted.yaml, end="")
    return 0


def _helper(arguments: argparse.Namespace) -> Converted:
    from spire_bridge.service.drop_in.spiffe_helper.config import load_helper_config
    from spire_bridge.service.drop_in.spiffe_helper.convert import convert_helper

    return convert_helper(load_helper_config(arguments.file), name=str(arguments.file))


def _issuer(arguments: argparse.Namespace) -> Converted:
    from spire_bridge.service.drop_in.discovery_provider.config import load_odp_config
    from spire_bridge.service.drop_in.discovery_provider.convert import convert_odp

    config = load_odp_config(arguments.file, expand_env=arguments.expand_env)
    return convert_odp(config, name=str(arguments.file), trust_domain=arguments.trust_domain)


def run_schema(arguments: argparse.Namespace) -> int:
    from spire_bridge.config.yaml import json_schema
    from spire_bridge.service.settings.kinds import KINDS

    print(json_schema(KINDS[arguments.kind]))
    return 0
