"""`spire-bridge config`: check a configuration file, print its schema, convert another's."""

from __future__ import annotations

import argparse
from pathlib import Path

from spire_bridge.cli.arguments import add_output
from spire_bridge.cli.command import Subparsers, add_command
from spire_bridge.cli.output import print_json, print_note


def add_parser(subparsers: Subparsers) -> None:
    group = add_command(subparsers, "config", summary="check and convert configuration files")
    commands = Subparsers(group)
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
    convert = add_command(
        commands,
        "convert",
        run=run_convert,
        summary="print a configuration of SPIRE's oidc-discovery-provider as native YAML",
        description="""
        Print a configuration of SPIRE's oidc-discovery-provider, HCL or JSON, as the YAML of
        `serve --config`. What the native configuration does not say is told on standard
        error. `serve --odp-config` takes the file as it is; the YAML offers more.
        """,
        examples="""
          spire-bridge config convert oidc-discovery-provider.conf > issuer.yaml
          spire-bridge config convert odp.conf --trust-domain example.org
        """,
    )
    convert.add_argument("file", type=Path, metavar="FILE")
    convert.add_argument(
        "--trust-domain",
        metavar="NAME",
        help="the trust domain, which only a workload_api section names",
    )
    convert.add_argument(
        "-expandEnv",
        "--expand-env",
        action="store_true",
        help="replace $NAME and ${NAME} in the file",
    )
    add_output(convert)
    schema = add_command(
        commands,
        "schema",
        run=run_schema,
        summary="print the JSON Schema of the configuration file",
        examples="""
          spire-bridge config schema > issuer.schema.json
          spire-bridge config schema trust > trust.schema.json
        """,
    )
    schema.add_argument(
        "kind",
        choices=("serve", "trust"),
        nargs="?",
        default="serve",
        help="the configuration of serve, or the description of trust generate (default: serve)",
    )


def run_check(arguments: argparse.Namespace) -> int:
    from spire_bridge.cloud.issuer_url import check_issuer_url
    from spire_bridge.service.settings.serve import load_serve_settings

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


def run_convert(arguments: argparse.Namespace) -> int:
    from spire_bridge.service.drop_in.discovery_provider.config import load_odp_config
    from spire_bridge.service.drop_in.discovery_provider.convert import convert_odp

    config = load_odp_config(arguments.file, expand_env=arguments.expand_env)
    name = str(arguments.file)
    converted = convert_odp(config, name=name, trust_domain=arguments.trust_domain)
    if arguments.output == "json":
        print_json({"yaml": converted.yaml, "notes": converted.notes})
        return 0
    for note in converted.notes:
        print_note(f"note: {note}")
    print(converted.yaml, end="")
    return 0


def run_schema(arguments: argparse.Namespace) -> int:
    from spire_bridge.config.yaml import json_schema

    if arguments.kind == "trust":
        from spire_bridge.service.settings.trust import TrustSettings

        print(json_schema(TrustSettings))
    else:
        from spire_bridge.service.settings.serve import ServeSettings

        print(json_schema(ServeSettings))
    return 0
