"""What `credential aws` and `credential roles-anywhere` share: a role's session, printed."""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable, Mapping

from spire_bridge.cli.arguments import lifetime
from spire_bridge.errors import EXIT_USAGE, BridgeError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from spire_bridge.credentials.aws.temporary import TemporaryCredentials

# SDKs ask again once less than 15 minutes are left: what they get then is to be new.
_RENEW_SECONDS = 16 * 60


class MissingSetting(BridgeError):
    """Neither an option nor a variable says it."""

    code = "SETTING_MISSING"
    exit_status = EXIT_USAGE


def add_session(parser: argparse.ArgumentParser, *, region: str, session_name: str) -> None:
    """The role, and the session that is wanted; the texts say what the defaults are."""
    parser.add_argument("--role-arn", metavar="ARN", help="the role (default: $AWS_ROLE_ARN)")
    parser.add_argument(
        "--session-name",
        metavar="NAME",
        help=f"how CloudTrail is to show the session (default: {session_name})",
    )
    parser.add_argument(
        "--duration",
        metavar="T",
        type=lifetime,
        help="how long the session is to last: 15m to 12h, up to the role's own maximum",
    )
    parser.add_argument("--region", metavar="R", help=f"whose endpoint to ask (default: {region})")
    parser.add_argument(
        "--endpoint", metavar="URL", help="ask this endpoint instead of the region's"
    )


def setting(given: str | None, *variables: str) -> str:
    """What the option says, or else the first of these variables that is set; else empty."""
    return given or next((v for name in variables if (v := os.environ.get(name))), "")


def needed(given: str | None, option: str, *variables: str) -> str:
    """As `setting`. Raises `MissingSetting`."""
    value = setting(given, *variables)
    if not value:
        ways = " or ".join((option, *(f"${name}" for name in variables)))
        raise MissingSetting(f"{option} is missing", hint=f"give {ways}")
    return value


def print_session(
    arguments: argparse.Namespace,
    key: Mapping[str, str],
    obtain: Callable[[], TemporaryCredentials],
) -> int:
    """Prints what is kept for `key`, or else what is obtained, as `credential_process` does."""
    from spire_bridge.cli.credential_arguments import cache_of
    from spire_bridge.credentials.cache import Kept

    def renewed() -> Kept:
        from spire_bridge.credentials.aws.temporary import credential_process_json

        credentials = obtain()
        return Kept(credential_process_json(credentials), credentials.expires_at)

    cache = cache_of(arguments)
    if cache is None:
        print(renewed().content)
    else:
        print(cache.get(key, renewed, renew_seconds=_RENEW_SECONDS).content)
    return 0
