"""Outputs that are served on loopback: the place that holds them, and the handler that answers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from spire_bridge.credentials.aws.container import read_credentials
from spire_bridge.helper.aws_endpoint import AwsEndpoint
from spire_bridge.helper.places import FilePlace, Place
from spire_bridge.helper.served import Served
from spire_bridge.helper.token_endpoint import TokenEndpoint
from spire_bridge.listen.http import Handler
from spire_bridge.spiffe.jwt_svid import UnverifiedJwtSvid

Clock = Callable[[], float]


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where an output's content goes, and who answers with it."""

    place: Place
    handler: Handler


def credentials_endpoint(authorization: FilePlace, allow_shared: bool, clock: Clock) -> Endpoint:
    """For AWS' SDKs, by AWS_CONTAINER_CREDENTIALS_FULL_URI."""
    served = Served(authorization, read_credentials, allow_shared=allow_shared)
    return Endpoint(served, AwsEndpoint(lambda: served.latest, served.secret, clock=clock))


def token_endpoint(authorization: FilePlace, allow_shared: bool, clock: Clock) -> Endpoint:
    """For Google's SDKs and others, by a URL and a header."""

    def read(content: bytes) -> UnverifiedJwtSvid:
        return UnverifiedJwtSvid.parse(content.decode())

    served = Served(authorization, read, allow_shared=allow_shared)

    def token() -> str | None:
        latest = served.latest
        return latest.token if latest is not None and latest.expires_at > clock() else None

    return Endpoint(served, TokenEndpoint(token, served.secret))
