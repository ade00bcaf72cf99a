"""OpenBao: a development server as a child process, and its HTTP API."""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from child_process import LOOPBACK, Daemon, free_port

from verifiers.http_json import HttpRefusal, ask, get
from verifiers.peer import Reasons, Trusted, Verdict

ROLE = "web"


@dataclass(frozen=True, slots=True)
class OpenBao:
    """A server that is unsealed, with an empty key-value store at `secret/`."""

    url: str
    root_token: str = field(repr=False)
    refetches: bool = True

    @property
    def reasons(self) -> Reasons:
        return Reasons(
            audience=r"invalid audience \(aud\) claim",
            subject=r"invalid subject \(sub\) claim",
            issuer=r"invalid issuer \(iss\) claim",
            expired="token is expired",
            forgery="error verifying token signature",
        )

    @contextmanager
    def trusting(self, trusted: Trusted, folder: Path) -> Iterator[JwtAuthMethod]:
        method = self.mount(folder.name)
        method.trust(trusted.issuer, trusted.ca)
        # By default a token may be a minute late.
        punctual = {"clock_skew_leeway": -1, "expiration_leeway": -1}
        audiences = [trusted.audience]
        method.add_role(ROLE, bound_audiences=audiences, bound_subject=trusted.subject, **punctual)
        yield method

    def mount(self, name: str) -> JwtAuthMethod:
        """A JWT auth method of its own, which trusts nobody yet."""
        self.write(f"sys/auth/{name}", {"type": "jwt"})
        return JwtAuthMethod(self, name)

    def write(self, path: str, body: Mapping[str, Any], *, token: str | None = None) -> Any:
        """Raises `HttpRefusal`; without a `token` it is the operator who writes."""
        return ask("POST", self._url(path), body, _header(token or self.root_token))

    def read(self, path: str, *, token: str) -> Any:
        return ask("GET", self._url(path), headers=_header(token))["data"]

    def login(self, mount: str, role: str, jwt: str) -> dict[str, Any]:
        """What a workload gets for its token. Raises `HttpRefusal`."""
        answer = ask("POST", self._url(f"auth/{mount}/login"), {"role": role, "jwt": jwt})
        logged_in: dict[str, Any] = answer["auth"]
        return logged_in

    def _url(self, path: str) -> str:
        return f"{self.url}/v1/{path}"


@dataclass(frozen=True, slots=True)
class JwtAuthMethod:
    """OpenBao's JWT auth method, where it is mounted."""

    bao: OpenBao
    mount: str

    def trust(self, issuer: str, ca: Path | None = None) -> None:
        """Trusts an issuer by its discovery document. Raises `HttpRefusal`."""
        config = {"oidc_discovery_url": issuer, "bound_issuer": issuer}
        if ca is not None:
            config["oidc_discovery_ca_pem"] = ca.read_text()
        self.bao.write(f"auth/{self.mount}/config", config)

    def add_role(self, name: str, **rules: Any) -> None:
        role = {"role_type": "jwt", "user_claim": "sub", **rules}
        self.bao.write(f"auth/{self.mount}/role/{name}", role)

    def login(self, role: str, jwt: str) -> dict[str, Any]:
        return self.bao.login(self.mount, role, jwt)

    def judge(self, token: str) -> Verdict:
        try:
            self.login(ROLE, token)
        except HttpRefusal as refusal:
            if refusal.status != 400:
                raise
            return Verdict(accepted=False, reason=str(refusal))
        return Verdict(accepted=True)


@contextmanager
def running_openbao(program: Path, folder: Path) -> Iterator[OpenBao]:
    """A server in memory on a free port; its log and its home are in `folder`."""
    address = f"{LOOPBACK}:{free_port()}"
    bao = OpenBao(f"http://{address}", secrets.token_hex(16))
    environment = {
        "PATH": os.defpath,
        "HOME": str(folder),
        "NO_PROXY": LOOPBACK,
        "BAO_DEV_LISTEN_ADDRESS": address,
        "BAO_DEV_ROOT_TOKEN_ID": bao.root_token,
    }
    daemon = Daemon(
        [program, "server", "-dev", "-dev-no-store-token"], folder / "openbao.log", environment
    )
    daemon.start(lambda: _is_healthy(bao.url))
    try:
        yield bao
    finally:
        daemon.stop()


def _is_healthy(url: str) -> bool:
    try:
        get(f"{url}/v1/sys/health")
    except OSError:
        return False
    return True


def _header(token: str) -> dict[str, str]:
    return {"X-Vault-Token": token}
