"""What the commands of `credential` share: which SVID, how calls go out, what is kept."""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable, Mapping

TYPE_CHECKING = False
if TYPE_CHECKING:
    from spire_bridge.credentials.cache import AnswerCache, Kept
    from spire_bridge.spiffe.jwt_svid import UnverifiedJwtSvid
    from spire_bridge.spiffe.x509_svid import X509Svid
    from spire_bridge.transport.outgoing import Outgoing


def add_identity(parser: argparse.ArgumentParser) -> None:
    """Which of the workload's identities: by ID, by hint, or the default one."""
    which = parser.add_mutually_exclusive_group()
    which.add_argument("--spiffe-id", metavar="ID", help="the identity to use (default: the first)")
    which.add_argument("--hint", metavar="H", help="use the identity with this hint")


def add_audience(parser: argparse.ArgumentParser, *, default: str | None) -> None:
    """Whom the JWT-SVID is for; required where there is no default."""
    parser.add_argument(
        "--audience",
        metavar="A",
        required=default is None,
        default=default,
        help="whom the token is for" + (f" (default: {default})" if default else ""),
    )


def add_outgoing(parser: argparse.ArgumentParser) -> None:
    """How the token call leaves this machine."""
    parser.add_argument(
        "--ca-file",
        metavar="FILE",
        help="authorities to trust at the endpoint besides the system's, PEM",
    )


def add_cache(parser: argparse.ArgumentParser) -> None:
    """Where answers are kept for the next process."""
    where = parser.add_mutually_exclusive_group()
    where.add_argument(
        "--cache",
        metavar="DIR",
        help="keep the answer here, for this user alone (default: ~/.cache/spire-bridge)",
    )
    where.add_argument("--no-cache", action="store_true", help="keep nothing on disk")


def cache_key(arguments: argparse.Namespace, **depends: str) -> dict[str, str]:
    """All that an answer depends on: agent, identity, audience, and what the caller names."""
    return {
        "agent": arguments.socket or os.environ.get("SPIFFE_ENDPOINT_SOCKET", ""),
        "spiffe_id": arguments.spiffe_id or "",
        "hint": arguments.hint or "",
        "audience": arguments.audience or "",
        **depends,
    }


def token_of(arguments: argparse.Namespace) -> UnverifiedJwtSvid:
    """A fresh JWT-SVID of the identity that the arguments name."""
    from spire_bridge.workload.one_shot import fetch_jwt_svid

    return fetch_jwt_svid(
        (arguments.audience,),
        address=arguments.socket,
        spiffe_id=arguments.spiffe_id,
        hint=arguments.hint,
        timeout=arguments.timeout,
    )


def x509_svid_of(arguments: argparse.Namespace) -> X509Svid:
    """The X.509-SVID of the identity that the arguments name."""
    from spire_bridge.spiffe.id import SpiffeId
    from spire_bridge.workload.identity import Identity
    from spire_bridge.workload.one_shot import fetch_x509_context

    named = arguments.spiffe_id
    identity = Identity(SpiffeId.parse(named) if named is not None else None, arguments.hint)
    context = fetch_x509_context(address=arguments.socket, timeout=arguments.timeout)
    return identity.among(context.svids)


def outgoing_of(arguments: argparse.Namespace) -> Outgoing:
    from pathlib import Path

    from spire_bridge.transport.outgoing import Outgoing

    ca_file = Path(arguments.ca_file) if arguments.ca_file is not None else None
    return Outgoing(os.environ, arguments.timeout, ca_file)


def cache_of(arguments: argparse.Namespace) -> AnswerCache | None:
    """None if nothing is to be kept."""
    from spire_bridge.credentials.cache import AnswerCache

    if arguments.no_cache:
        return None
    if arguments.cache is not None:
        return AnswerCache(arguments.cache, arguments.timeout)
    return AnswerCache.of_user(os.environ, wait_seconds=arguments.timeout)


def kept_answer(
    arguments: argparse.Namespace,
    key: Mapping[str, str],
    obtain: Callable[[], Kept],
    *,
    renew_seconds: float,
) -> Kept:
    """What `AnswerCache.get` returns, or what `obtain` does if nothing is to be kept."""
    cache = cache_of(arguments)
    return obtain() if cache is None else cache.get(key, obtain, renew_seconds=renew_seconds)
