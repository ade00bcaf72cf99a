"""`spire-bridge credential gcp-config`: the file by which Google's SDKs get their tokens."""

from __future__ import annotations

import argparse
import shlex
from pathlib import Path

from spire_bridge.cli.command import Subparsers, add_command
from spire_bridge.cli.credential_arguments import add_identity
from spire_bridge.cli.google_arguments import (
    account_of,
    add_google,
    add_service_account,
    endpoints_of,
)
from spire_bridge.cli.output import print_note

TYPE_CHECKING = False
if TYPE_CHECKING:
    from spire_bridge.credentials.google.configuration import (
        ExecutableSource,
        FileSource,
        UrlSource,
    )

_MAX_SECRET_BYTES = 8 * 1024
_DEFAULT_TIMEOUT_MILLIS = 30_000


def add_parser(subparsers: Subparsers) -> None:
    parser = add_command(
        subparsers,
        "gcp-config",
        run=run,
        summary="write a credential configuration for Google's SDKs",
        description="""
        Write a file for GOOGLE_APPLICATION_CREDENTIALS, with the options of gcloud iam
        workload-identity-pools create-cred-config. The token comes from a file or a URL that
        spire-bridge helper keeps fresh, or from a command: spire-bridge credential gcp, if
        nothing else is named. The file is for this user alone.
        """,
        examples="""
          spire-bridge credential gcp-config \\
            projects/123456789012/locations/global/workloadIdentityPools/spire/providers/spire \\
            --service-account web@project.iam.gserviceaccount.com --output-file gcp.json
          export GOOGLE_EXTERNAL_ACCOUNT_ALLOW_EXECUTABLES=1

          spire-bridge credential gcp-config PROVIDER --output-file gcp.json \\
            --credential-source-file /run/web/gcp-token
          spire-bridge credential gcp-config PROVIDER --output-file gcp.json \\
            --credential-source-url http://127.0.0.1:8787/google/token \\
            --credential-source-headers Authorization=@/run/web/secret
        """,
    )
    parser.add_argument(
        "provider",
        metavar="PROVIDER",
        help="projects/NUMBER/locations/global/workloadIdentityPools/POOL/providers/NAME",
    )
    parser.add_argument(
        "--output-file", metavar="FILE", type=Path, required=True, help="write it here"
    )
    add_service_account(parser)
    add_google(parser)
    _add_source(parser)
    command = parser.add_argument_group("what the command says, if no other is named")
    command.add_argument(
        "--audience", metavar="A", help="whom the token is for (default: the provider)"
    )
    add_identity(parser)
    command.add_argument("--socket", metavar="ADDRESS", help="where the Workload API is")


def _add_source(parser: argparse.ArgumentParser) -> None:
    where = parser.add_argument_group("where the token comes from")
    source = where.add_mutually_exclusive_group()
    source.add_argument("--credential-source-file", metavar="FILE", type=Path, help="a file")
    source.add_argument("--credential-source-url", metavar="URL", help="a URL of this machine")
    source.add_argument("--executable-command", metavar="COMMAND", help="another command")
    where.add_argument(
        "--credential-source-field-name",
        metavar="F",
        default="",
        help="the file or URL has JSON, with the token in this member",
    )
    where.add_argument(
        "--credential-source-headers",
        metavar="NAME=VALUE",
        action="append",
        default=[],
        help="a header for the URL, with what stands in a file for =@FILE; repeat it",
    )
    where.add_argument(
        "--executable-timeout-millis",
        metavar="N",
        type=int,
        default=_DEFAULT_TIMEOUT_MILLIS,
        help="how long the command may take: 5000 to 120000 (default: 30000)",
    )
    where.add_argument(
        "--executable-output-file",
        metavar="FILE",
        type=Path,
        help="where the command keeps the token, so that it runs less often",
    )


def run(arguments: argparse.Namespace) -> int:
    from spire_bridge.credentials.google.configuration import Configuration
    from spire_bridge.credentials.google.provider import Provider
    from spire_bridge.files.atomic import link_target, write_atomically

    configuration = Configuration(
        Provider.parse(arguments.provider),
        _source(arguments),
        account_of(arguments),
        arguments.universe_domain,
        endpoints_of(arguments),
    )
    file = link_target(arguments.output_file)
    write_atomically(file, configuration.render(), mode=0o600)
    print_note(f"wrote {arguments.output_file}: GOOGLE_APPLICATION_CREDENTIALS is to name it")
    return 0


def _source(arguments: argparse.Namespace) -> FileSource | UrlSource | ExecutableSource:
    from spire_bridge.credentials.google.configuration import (
        ExecutableSource,
        FileSource,
        UrlSource,
    )

    field_name = arguments.credential_source_field_name
    if arguments.credential_source_file is not None:
        return FileSource(arguments.credential_source_file, field_name)
    if arguments.credential_source_url is not None:
        headers = dict(map(_header, arguments.credential_source_headers))
        return UrlSource(arguments.credential_source_url, headers, field_name)
    return ExecutableSource(
        arguments.executable_command or _own_command(arguments),
        arguments.executable_timeout_millis,
        arguments.executable_output_file,
    )


def _own_command(arguments: argparse.Namespace) -> str:
    """It gives up a second before the SDK would kill it, and says why."""
    words = ["spire-bridge", "credential", "gcp"]
    for option in ("audience", "spiffe_id", "hint", "socket"):
        if value := getattr(arguments, option):
            words += (f"--{option.replace('_', '-')}", value)
    words += ("--timeout", f"{arguments.executable_timeout_millis // 1000 - 1}s")
    return shlex.join(words)


def _header(text: str) -> tuple[str, str]:
    """A secret is better read from a file: every user of a machine sees its command lines."""
    name, _, value = text.partition("=")
    if value.startswith("@"):
        from spire_bridge.files.reading import read_limited

        content = read_limited(Path(value[1:]), max_bytes=_MAX_SECRET_BYTES)
        value = content.decode("ascii", errors="replace").strip()
    return name, value
