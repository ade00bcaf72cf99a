"""What is given for a token or a certificate: calls that an output makes whenever it is due."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from spire_bridge.credentials.aws.assume_role import RoleRequest, assume_role
from spire_bridge.credentials.aws.create_session import SessionRequest, create_session
from spire_bridge.credentials.aws.endpoints import (
    roles_anywhere_endpoint,
    sts_endpoint,
)
from spire_bridge.credentials.aws.temporary import TemporaryCredentials
from spire_bridge.credentials.retrying import Retrying
from spire_bridge.credentials.vault.login import JwtLogin, VaultServer, kept_alive
from spire_bridge.credentials.vault.token import VaultToken
from spire_bridge.service.settings.output_kinds import (
    AwsSettings,
    CallSettings,
    RolesAnywhereSettings,
    VaultSettings,
)
from spire_bridge.spiffe.jwt_svid import UnverifiedJwtSvid
from spire_bridge.spiffe.x509_svid import X509Svid
from spire_bridge.transport.outgoing import Outgoing

Clock = Callable[[], float]


def outgoing(settings: CallSettings) -> Outgoing:
    ca_file = Path(settings.ca_file) if settings.ca_file is not None else None
    return Outgoing(os.environ, settings.timeout_seconds, ca_file)


def aws_session(settings: AwsSettings) -> Callable[[UnverifiedJwtSvid], TemporaryCredentials]:
    """Asks STS. Raises `InvalidRegion`."""
    endpoint = settings.endpoint or sts_endpoint(settings.role_arn, settings.region)
    wanted = RoleRequest(
        endpoint, settings.role_arn, settings.session_name, settings.duration_seconds
    )
    send, retrying = outgoing(settings.call), Retrying(settings.call.timeout_seconds)
    return lambda svid: retrying(lambda: assume_role(wanted, svid, send))


def anywhere_session(
    settings: RolesAnywhereSettings, clock: Clock = time.time
) -> Callable[[X509Svid], TemporaryCredentials]:
    """Asks IAM Roles Anywhere. Raises `InvalidRegion`."""
    anchor = settings.trust_anchor_arn
    region = settings.signing_region()
    wanted = SessionRequest(
        settings.endpoint or roles_anywhere_endpoint(anchor, region),
        region,
        anchor,
        settings.profile_arn,
        settings.role_arn,
        settings.session_name,
        settings.duration_seconds,
    )
    send, retrying = outgoing(settings.call), Retrying(settings.call.timeout_seconds)
    return lambda svid: retrying(lambda: create_session(wanted, svid, send, clock()))


@dataclass(frozen=True, slots=True)
class VaultGrant:
    """A token of Vault's, and when it ends, in seconds since the epoch; None for never."""

    token: VaultToken
    expires_at: float | None


def vault_login(
    settings: VaultSettings, clock: Clock = time.time
) -> Callable[[UnverifiedJwtSvid], VaultGrant]:
    """Logs in, or renews the token of before while that pays. Raises `InvalidVaultRequest`."""
    server = VaultServer(settings.address, settings.namespace)
    login = JwtLogin(server, settings.role, settings.mount)
    send, retrying = outgoing(settings.call), Retrying(settings.call.timeout_seconds)
    latest: VaultToken | None = None
    first_lease = 0

    def granted(svid: UnverifiedJwtSvid) -> VaultGrant:
        nonlocal latest, first_lease
        before, first = latest, first_lease

        def attempt() -> VaultToken:
            now = clock()
            return kept_alive(login, before, lambda: svid.token, send, now=now, first_lease=first)

        token = retrying(attempt)
        if before is None or token.client_token != before.client_token:
            first_lease = token.lease_seconds
        latest = token
        return VaultGrant(token, token.expires_at if token.lease_seconds else None)

    return granted
