"""What `credential gcp` and `credential gcp-config` share: where Google is, whom to impersonate."""

from __future__ import annotations

import argparse

from spire_bridge.cli.arguments import lifetime

TYPE_CHECKING = False
if TYPE_CHECKING:
    from spire_bridge.credentials.google.provider import Endpoints, ServiceAccount


def add_service_account(parser: argparse._ActionsContainer) -> None:
    parser.add_argument("--service-account", metavar="EMAIL", help="the account to impersonate")
    parser.add_argument(
        "--service-account-token-lifetime-seconds",
        metavar="N",
        type=lifetime,
        help="how long its token is to last: 600 to 43200 (default: 3600)",
    )


def add_google(parser: argparse._ActionsContainer) -> None:
    """Where Google is."""
    parser.add_argument(
        "--universe-domain",
        metavar="D",
        default="googleapis.com",
        help="the cloud's domain (default: googleapis.com)",
    )
    parser.add_argument(
        "--sts-endpoint", metavar="URL", help="exchange tokens there (default: https://sts.DOMAIN)"
    )
    parser.add_argument(
        "--iam-endpoint",
        metavar="URL",
        help="impersonate there (default: https://iamcredentials.DOMAIN)",
    )


def account_of(arguments: argparse.Namespace) -> ServiceAccount | None:
    from spire_bridge.credentials.google.errors import InvalidGoogleSetting
    from spire_bridge.credentials.google.provider import ServiceAccount

    seconds = arguments.service_account_token_lifetime_seconds
    if arguments.service_account is not None:
        return ServiceAccount(arguments.service_account, seconds)
    if seconds is not None:
        raise InvalidGoogleSetting("a lifetime is for the token of a --service-account: name it")
    return None


def endpoints_of(arguments: argparse.Namespace) -> Endpoints:
    from spire_bridge.credentials.google.provider import Endpoints

    usual = Endpoints.of(arguments.universe_domain)
    return Endpoints(
        arguments.sts_endpoint or usual.sts, arguments.iam_endpoint or usual.iam_credentials
    )
