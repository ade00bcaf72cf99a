"""What `credential aws` and `credential roles-anywhere` share: a role's session, printed."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping

from spire_bridge.cli.arguments import lifetime
from spire_bridge.cli.credential_arguments import kept_answer

TYPE_CHECKING = False
if TYPE_CHECKING:
    from spire_bridge.credentials.aws.temporary import TemporaryCredentials

# SDKs ask again once less than 15 minutes are left: what they get then is to be new.
_RENEW_SECONDS = 16 * 60


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


def print_session(
    arguments: argparse.Namespace,
    key: Mapping[str, str],
    obtain: Callable[[], TemporaryCredentials],
) -> int:
    """Prints what is kept for `key`, or else what is obtained, as `credential_process` does."""
    from spire_bridge.credentials.cache import Kept

    def renewed() -> Kept:
        from spire_bridge.credentials.aws.temporary import credential_process_json

        credentials = obtain()
        return Kept(credential_process_json(credentials), credentials.expires_at)

    print(kept_answer(arguments, key, renewed, renew_seconds=_RENEW_SECONDS).content)
    return 0
