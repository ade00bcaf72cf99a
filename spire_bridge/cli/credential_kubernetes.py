"""`spire-bridge credential kubernetes`: an SVID for kubectl and other clients of Kubernetes."""

from __future__ import annotations

import argparse
import os
import sys

from spire_bridge.cli.arguments import add_endpoint
from spire_bridge.cli.command import Subparsers, add_command
from spire_bridge.cli.credential_arguments import add_identity, token_of, x509_svid_of
from spire_bridge.cli.output import print_note


def add_parser(subparsers: Subparsers) -> None:
    parser = add_command(
        subparsers,
        "kubernetes",
        run=run,
        summary="be the exec plugin of a kubeconfig",
        is_brief=True,
        description="""
        Print a JWT-SVID as an ExecCredential, as kubectl and other clients of Kubernetes ask
        for it; or write the kubeconfig that has them ask. The token is for the audience that
        the cluster names in its kubeconfig, for --audience, or for the API server's URL.

        --x509 prints the X.509-SVID instead. An API server takes the user's name from the
        certificate's CN, which SPIRE leaves empty by default.
        """,
        examples="""
          spire-bridge credential kubernetes --write-kubeconfig web.kubeconfig \\
            --server https://kubernetes.example:6443 --certificate-authority ca.pem
          kubectl --kubeconfig web.kubeconfig get pods
          spire-bridge credential kubernetes --audience kubernetes
        """,
    )
    parser.add_argument(
        "--audience",
        metavar="A",
        help="whom the token is for, if the kubeconfig does not say (default: the server's URL)",
    )
    parser.add_argument("--x509", action="store_true", help="the X.509-SVID, not a token")
    add_identity(parser)
    add_endpoint(parser)
    written = parser.add_argument_group("to write a kubeconfig")
    written.add_argument("--write-kubeconfig", metavar="FILE", help="write it here, mode 0600")
    written.add_argument("--server", metavar="URL", help="the API server: https://host:6443")
    written.add_argument(
        "--certificate-authority",
        metavar="FILE",
        help="what to trust the API server by, PEM (default: the system's authorities)",
    )
    written.add_argument("--namespace", metavar="N", default="", help="the context's namespace")
    written.add_argument(
        "--command",
        metavar="PROGRAM",
        default="spire-bridge",
        help="what clients run (default: spire-bridge)",
    )
    written.add_argument(
        "--replace", action="store_true", help="replace a file that is already there"
    )


def run(arguments: argparse.Namespace) -> int:
    if arguments.write_kubeconfig is not None:
        return _write_kubeconfig(arguments)
    from spire_bridge.credentials.kubernetes.exec_info import VARIABLE, ExecInfo

    info = ExecInfo.parse(os.environ.get(VARIABLE, ""))
    from spire_bridge.credentials.kubernetes import exec_credential

    if arguments.x509:
        svid = x509_svid_of(arguments)
        credential = exec_credential.certificate_credential(svid, api_version=info.api_version)
    else:
        arguments.audience = info.audience_or(arguments.audience)
        token = token_of(arguments)
        credential = exec_credential.token_credential(token, api_version=info.api_version)
    sys.stdout.write(credential.decode())
    return 0


def _write_kubeconfig(arguments: argparse.Namespace) -> int:
    from pathlib import Path

    from spire_bridge.credentials.kubernetes.errors import InvalidKubeconfig
    from spire_bridge.credentials.kubernetes.kubeconfig import Kubeconfig
    from spire_bridge.files.atomic import link_target, write_atomically

    authority = arguments.certificate_authority
    kubeconfig = Kubeconfig(
        server=arguments.server or "",
        command=arguments.command,
        arguments=_exec_arguments(arguments),
        certificate_authority=Path(authority) if authority is not None else None,
        audience=arguments.audience or "",
        namespace=arguments.namespace,
    )
    file = link_target(Path(arguments.write_kubeconfig))
    if file.exists() and not arguments.replace:
        raise InvalidKubeconfig(
            f"{arguments.write_kubeconfig} is there already, maybe with other clusters in it",
            hint="name another file, or say --replace",
        )
    write_atomically(file, kubeconfig(), mode=0o600)
    print_note(f"wrote {arguments.write_kubeconfig}")
    return 0


def _exec_arguments(arguments: argparse.Namespace) -> list[str]:
    """What is to be said again by whoever runs the plugin."""
    options = {
        "--spiffe-id": arguments.spiffe_id,
        "--hint": arguments.hint,
        "--socket": arguments.socket,
        "--timeout": None if arguments.timeout == 10.0 else f"{arguments.timeout:g}",
    }
    named = [word for option, value in options.items() if value for word in (option, value)]
    return ["credential", "kubernetes", *(["--x509"] if arguments.x509 else []), *named]
