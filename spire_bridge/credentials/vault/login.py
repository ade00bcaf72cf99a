"""Vault's and OpenBao's JWT auth method: log in, renew, revoke. Pure but for `send`."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass

from spire_bridge.credentials.vault.errors import (
    InvalidVaultRequest,
    UnexpectedVaultAnswer,
    VaultRefused,
)
from spire_bridge.credentials.vault.refusals import refusal
from spire_bridge.credentials.vault.token import InvalidVaultToken, VaultToken
from spire_bridge.errors import one_line
from spire_bridge.transport.outgoing import HttpAnswer, HttpRequest

Send = Callable[[HttpRequest], HttpAnswer]

# A renewal that yields less than this part of the first lease is close to the token's last end.
_WORTH_RENEWING = 0.5


@dataclass(frozen=True, slots=True)
class VaultServer:
    """Where Vault is: `https://vault.example:8200`; an empty `namespace` is the root."""

    address: str
    namespace: str = ""

    def __post_init__(self) -> None:
        if not self.address.startswith(("https://", "http://")):
            raise InvalidVaultRequest(
                "Vault's address is no URL" if self.address else "Vault's address is not given",
                hint="https://vault.example:8200, as --address or in VAULT_ADDR",
            )
        if any(character in self.address for character in "?#"):
            raise InvalidVaultRequest("Vault's address has a query", hint="end it with the port")
        if not self.namespace.isascii() or not self.namespace.isprintable():
            raise InvalidVaultRequest("the namespace is no path such as team/web")

    def post(self, path: str, body: object = None, *, token: str | None = None) -> HttpRequest:
        """A call of the API, below /v1/."""
        headers = {"X-Vault-Request": "true", "Content-Type": "application/json"}
        if self.namespace:
            headers["X-Vault-Namespace"] = self.namespace
        if token is not None:
            headers["X-Vault-Token"] = token
        content = json.dumps({} if body is None else body).encode()
        return HttpRequest("POST", f"{self.address.rstrip('/')}/v1/{path}", headers, content)


@dataclass(frozen=True, slots=True)
class JwtLogin:
    """A login at the JWT auth method that is mounted at auth/`mount`.

    An empty `role` is the mount's `default_role`.
    """

    server: VaultServer
    role: str = ""
    mount: str = "jwt"

    def __post_init__(self) -> None:
        steps = self.mount.strip("/").split("/")
        if not all(_is_step(step) for step in steps):
            raise InvalidVaultRequest(
                "the mount is no path such as jwt", hint="as in vault auth list, without auth/"
            )

    def request(self, jwt: str) -> HttpRequest:
        body = {"role": self.role, "jwt": jwt} if self.role else {"jwt": jwt}
        return self.server.post(f"auth/{self.mount.strip('/')}/login", body)

    def __call__(self, jwt: str, send: Send, *, now: float) -> VaultToken:
        """The token for a JWT-SVID.

        Raises `VaultRefused`, `VaultAway`, which may be tried again, `UnexpectedVaultAnswer`,
        and what `send` raises.
        """
        what = f"the login as {one_line(self.role)}" if self.role else "the login"
        return _granted(send(self.request(jwt)), what=what, secret=jwt, now=now)


def renew_self(
    server: VaultServer, token: VaultToken, send: Send, *, now: float, seconds: int | None = None
) -> VaultToken:
    """The token with a new lease, of `seconds` if Vault agrees. Raises as a login does."""
    body = {} if seconds is None else {"increment": f"{seconds}s"}
    request = server.post("auth/token/renew-self", body, token=token.client_token)
    return _granted(send(request), what="the renewal", secret=token.client_token, now=now)


def revoke_self(server: VaultServer, token: VaultToken, send: Send) -> None:
    """Ends the token, and what was leased with it. Raises as a login does."""
    answer = send(server.post("auth/token/revoke-self", token=token.client_token))
    if answer.status not in {200, 204}:
        raise refusal(answer, what="the revocation", secret=token.client_token)


def kept_alive(
    login: JwtLogin,
    token: VaultToken | None,
    fetch_jwt: Callable[[], str],
    send: Send,
    *,
    now: float,
    first_lease: int | None = None,
) -> VaultToken:
    """`token` renewed, or one of a new login: if there is none, or none that is worth renewing.

    A token can't be renewed past its role's `token_max_ttl`; the leases get shorter before.
    `first_lease` is the login's, in seconds, for a `token` that was renewed since.
    """
    if token is not None and token.renewable and now < token.expires_at:
        try:
            renewed = renew_self(login.server, token, send, now=now)
        except VaultRefused:  # revoked, or at its last end
            pass
        else:
            first = token.lease_seconds if first_lease is None else first_lease
            if renewed.lease_seconds >= first * _WORTH_RENEWING:
                return renewed
    return login(fetch_jwt(), send, now=now)


def _granted(answer: HttpAnswer, *, what: str, secret: str, now: float) -> VaultToken:
    if answer.status != 200:
        raise refusal(answer, what=what, secret=secret)
    try:
        content = json.loads(answer.body)
        auth = content.get("auth") if isinstance(content, dict) else None
    except (ValueError, RecursionError):
        auth = None
    try:
        return VaultToken.parse(auth, granted_at=int(now))
    except InvalidVaultToken as error:
        raise UnexpectedVaultAnswer(
            f"Vault grants {what}, but {error.message}",
            hint=error.hint or "is this the address of Vault's API?",
        ) from None


def _is_step(step: str) -> bool:
    return (
        step not in {"", ".", ".."}
        and step.isascii()
        and step.isprintable()
        and not set(step) & set(" ?#%\\")
    )
