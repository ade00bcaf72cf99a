"""`spire-bridge credential vault`: a token of Vault's or OpenBao's for the workload."""

from __future__ import annotations

import argparse
import os
import sys
import time

from spire_bridge.cli.arguments import add_endpoint, add_output
from spire_bridge.cli.command import Subparsers, add_command
from spire_bridge.cli.credential_arguments import (
    add_audience,
    add_cache,
    add_identity,
    add_outgoing,
    cache_key,
    cache_of,
    outgoing_of,
    token_of,
)
from spire_bridge.cli.output import print_json, print_note

TYPE_CHECKING = False
if TYPE_CHECKING:
    from spire_bridge.credentials.vault.token import VaultToken

_RENEW_SECONDS = 60.0  # a kept token has at least this long to go


def add_parser(subparsers: Subparsers) -> None:
    parser = add_command(
        subparsers,
        "vault",
        run=run,
        summary="log in to Vault or OpenBao",
        is_brief=True,
        description="""
        Log in at the JWT auth method of Vault or OpenBao with a JWT-SVID, and print the token.
        It is kept for the next call until a minute before its lease ends. $VAULT_CACERT, or
        $BAO_CACERT, is trusted as --ca-file is.

        The last word makes this a token helper of Vault's own command line, by a script that
        ~/.vault names: get prints the token; store and erase, which follow vault login, do
        nothing.
        """,
        examples="""
          export VAULT_ADDR=https://vault.example:8200
          export VAULT_TOKEN=$(spire-bridge credential vault --role web --audience vault)
          spire-bridge credential vault --role web --audience vault --write ~/.vault-token
          spire-bridge credential vault --role web --audience vault --output json
        """,
    )
    parser.add_argument(
        "operation",
        nargs="?",
        choices=("get", "store", "erase"),
        help="what is asked of a token helper (default: nothing, to print for people and scripts)",
    )
    parser.add_argument(
        "--address", metavar="URL", help="the server (default: $VAULT_ADDR, or $BAO_ADDR)"
    )
    parser.add_argument(
        "--namespace",
        metavar="PATH",
        help="the namespace (default: $VAULT_NAMESPACE, $BAO_NAMESPACE, or the root)",
    )
    parser.add_argument(
        "--mount", metavar="PATH", default="jwt", help="where JWT auth is mounted (default: jwt)"
    )
    parser.add_argument(
        "--role", metavar="R", default="", help="the role (default: the mount's default_role)"
    )
    add_audience(parser, default=None)
    add_identity(parser)
    parser.add_argument(
        "--write", metavar="FILE", help="write the token here, mode 0600; print nothing"
    )
    add_cache(parser)
    add_outgoing(parser)
    add_endpoint(parser, asked="the agent, and then Vault,")
    add_output(parser)


def run(arguments: argparse.Namespace) -> int:
    if arguments.operation in {"store", "erase"}:
        sys.stdin.read()  # the token that is to be stored
        print_note("tokens come from the workload's SVID: none is stored, none erased")
        return 0
    token = _token(arguments)
    if arguments.write is not None:
        from pathlib import Path

        from spire_bridge.files.atomic import link_target, write_atomically

        write_atomically(
            link_target(Path(arguments.write)), token.client_token.encode(), mode=0o600
        )
    elif arguments.output == "json":
        print_json({"auth": token.auth(int(time.time()))})
    else:
        # A token helper's reader takes a newline for a part of the token.
        print(token.client_token, end="" if arguments.operation else "\n")
    return 0


def _token(arguments: argparse.Namespace) -> VaultToken:
    """The kept one, or one of a new login."""
    from spire_bridge.credentials.cache import Kept
    from spire_bridge.credentials.vault.token import VaultToken

    address = arguments.address or _variable("ADDR")
    namespace = arguments.namespace or _variable("NAMESPACE")

    def log_in() -> Kept:
        token = _logged_in(arguments, address, namespace)
        end = token.expires_at if token.is_sharable else token.granted_at
        return Kept(token.to_json(), end)

    cache = cache_of(arguments)
    if cache is None:
        return _logged_in(arguments, address, namespace)
    key = cache_key(
        arguments,
        credential="vault",
        address=address,
        namespace=namespace,
        mount=arguments.mount,
        role=arguments.role,
    )
    return VaultToken.from_json(cache.get(key, log_in, renew_seconds=_RENEW_SECONDS).content)


def _logged_in(arguments: argparse.Namespace, address: str, namespace: str) -> VaultToken:
    from spire_bridge.credentials.retrying import Retrying
    from spire_bridge.credentials.vault.login import JwtLogin, VaultServer

    if arguments.ca_file is None and (named := _variable("CACERT")):
        arguments.ca_file = named
    login = JwtLogin(VaultServer(address, namespace), arguments.role, arguments.mount)
    jwt, send = token_of(arguments).token, outgoing_of(arguments)
    return Retrying(arguments.timeout)(lambda: login(jwt, send, now=time.time()))


def _variable(name: str) -> str:
    """As Vault's and OpenBao's own command lines are told."""
    return os.environ.get(f"VAULT_{name}") or os.environ.get(f"BAO_{name}") or ""
