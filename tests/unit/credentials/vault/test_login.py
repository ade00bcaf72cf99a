"""Logins, renewals and revocations as requests, and Vault's answers as tokens or errors."""

from __future__ import annotations

import json
from typing import Any

import pytest

from spire_bridge.cloud.vault import login as model
from spire_bridge.credentials.vault.errors import (
    InvalidVaultRequest,
    UnexpectedVaultAnswer,
    VaultAway,
    VaultRefused,
)
from spire_bridge.credentials.vault.login import (
    JwtLogin,
    VaultServer,
    kept_alive,
    renew_self,
    revoke_self,
)
from spire_bridge.credentials.vault.refusals import CLAUSES
from spire_bridge.credentials.vault.token import VaultToken
from spire_bridge.errors import BridgeError
from spire_bridge.transport.outgoing import HttpAnswer, HttpRequest

SERVER = VaultServer("https://vault.example:8200/", "team/web")
LOGIN = JwtLogin(SERVER, "web")
JWT = "eyJhbGciOiJ9.eyJzdWIiOiJ9.c2ln"
NOW = 1_700_000_000.5


class Vault:
    """Answers in turn, and remembers what it was asked."""

    def __init__(self, *answers: HttpAnswer) -> None:
        self.answers = list(answers)
        self.asked: list[HttpRequest] = []

    def __call__(self, request: HttpRequest) -> HttpAnswer:
        self.asked.append(request)
        return self.answers.pop(0)


def grant(token: str = "hvs.new", seconds: int = 3600, **auth: Any) -> HttpAnswer:
    body = {"client_token": token, "lease_duration": seconds, "renewable": True, **auth}
    return HttpAnswer(200, {}, json.dumps({"auth": body}).encode())


def refused(status: int, *errors: str) -> HttpAnswer:
    return HttpAnswer(status, {}, json.dumps({"errors": errors}).encode())


def current(seconds: int = 3600, *, renewable: bool = True) -> VaultToken:
    auth = {"client_token": "hvs.old", "lease_duration": seconds, "renewable": renewable}
    return VaultToken.parse(auth, granted_at=int(NOW) - 60)


def failure(answer: HttpAnswer) -> BridgeError:
    with pytest.raises(BridgeError) as failed:
        LOGIN(JWT, Vault(answer), now=NOW)
    return failed.value


def test_a_login() -> None:
    vault = Vault(grant())
    token = LOGIN(JWT, vault, now=NOW)
    assert (token.client_token, token.expires_at) == ("hvs.new", 1_700_003_600)
    [request] = vault.asked
    assert request.method == "POST"
    assert request.url == "https://vault.example:8200/v1/auth/jwt/login"
    assert request.headers["X-Vault-Namespace"] == "team/web"
    assert "X-Vault-Token" not in request.headers
    assert json.loads(request.body) == {"role": "web", "jwt": JWT}
    assert JWT not in repr(request)


def test_the_default_role_of_another_mount_in_the_root() -> None:
    login = JwtLogin(VaultServer("http://127.0.0.1:8200"), mount="/team/spiffe/")
    request = login.request(JWT)
    assert request.url == "http://127.0.0.1:8200/v1/auth/team/spiffe/login"
    assert json.loads(request.body) == {"jwt": JWT}
    assert "X-Vault-Namespace" not in request.headers


@pytest.mark.parametrize("mount", ["", "/", "a//b", "../sys", "a/..", "a?b", "a#b", "a%2fb", "a b"])
def test_mounts_that_would_ask_something_else(mount: str) -> None:
    with pytest.raises(InvalidVaultRequest):
        JwtLogin(SERVER, "web", mount)


@pytest.mark.parametrize(
    ("address", "namespace"),
    [("", ""), ("vault:8200", ""), ("unix:///x", ""), ("https://v?x=1", ""), ("https://v", "a\nb")],
)
def test_servers_that_can_not_be_asked(address: str, namespace: str) -> None:
    with pytest.raises(InvalidVaultRequest):
        VaultServer(address, namespace)


def test_a_renewal_and_a_revocation_are_the_tokens_own() -> None:
    vault = Vault(grant("hvs.old"), HttpAnswer(204, {}, b""))
    token = renew_self(SERVER, current(), vault, now=NOW, seconds=600)
    revoke_self(SERVER, token, vault)
    renewal, revocation = vault.asked
    assert renewal.url.endswith("/v1/auth/token/renew-self")
    assert json.loads(renewal.body) == {"increment": "600s"}
    assert revocation.url.endswith("/v1/auth/token/revoke-self")
    assert renewal.headers["X-Vault-Token"] == revocation.headers["X-Vault-Token"] == "hvs.old"
    with pytest.raises(VaultRefused, match="permission denied"):
        revoke_self(SERVER, token, Vault(refused(403, "permission denied")))


class TestKeptAlive:
    def test_a_renewal_that_lasts_needs_no_svid(self) -> None:
        vault = Vault(grant("hvs.old", 3600))
        token = kept_alive(LOGIN, current(), no_svid, vault, now=NOW)
        assert token.client_token == "hvs.old"

    @pytest.mark.parametrize(
        "answers",
        [
            [grant("hvs.old", 1799), grant()],
            [refused(403, "permission denied"), grant()],
        ],
    )
    def test_at_its_last_end_it_is_replaced(self, answers: list[HttpAnswer]) -> None:
        vault = Vault(*answers)
        token = kept_alive(LOGIN, current(), lambda: JWT, vault, now=NOW)
        assert token.client_token == "hvs.new"

    @pytest.mark.parametrize("token", [None, current(renewable=False), current(30)])
    def test_without_one_to_renew_it_logs_in(self, token: VaultToken | None) -> None:
        vault = Vault(grant())
        assert kept_alive(LOGIN, token, lambda: JWT, vault, now=NOW).client_token == "hvs.new"
        assert [request.url[-6:] for request in vault.asked] == ["/login"]

    def test_while_vault_is_away_the_token_stays(self) -> None:
        with pytest.raises(VaultAway):
            kept_alive(LOGIN, current(), no_svid, Vault(refused(503, "sealed")), now=NOW)


def no_svid() -> str:
    raise AssertionError("no login was due")


INVALID = "error validating token: "

# As the model of the auth method words them; the peer tests have OpenBao's own.
REFUSALS = [
    ('role "web" could not be found', "role"),
    ("missing role", "role"),
    ("role with oidc role_type is not allowed", "role type"),
    ("missing token", "token"),
    (
        "error configuring token validator: keyset configuration error: https://i",
        "issuer's keys",
    ),
    (
        f"{INVALID}error verifying token signature: failed to verify id token signature",
        "signature",
    ),
    (f'{INVALID}ambiguous claim: key "Sub" collides', "claim names"),
    (
        f"{INVALID}invalid algorithm (alg) header parameter: token signed with unexpected",
        "algorithm",
    ),
    (f"{INVALID}invalid issuer (iss) claim", "issuer"),
    (f"{INVALID}invalid subject (sub) claim", "subject"),
    (
        f"{INVALID}invalid audience (aud) claim: audience claim does not match any expected",
        "audience",
    ),
    (
        f"{INVALID}no issued at (iat), not before (nbf), or expiration time (exp) claims",
        "dates",
    ),
    (f"{INVALID}invalid not before (nbf) claim: token not yet valid", "not before"),
    (f"{INVALID}invalid expiration time (exp) claim: token is expired", "expiration"),
    (
        "error validating token: invalid issued at (iat) claim: token issued in the future",
        "issued at",
    ),
    (
        "audience claim found in JWT but no audiences bound to the role",
        "unbound audience",
    ),
    ('claim "email" not found in token', "user claim"),
    ('claim "email" could not be converted to string', "user claim"),
    ("error converting claim 'x' to string", "metadata"),
    ('failed to fetch groups: "g" claim not found in token', "groups"),
    ('"g" claim could not be converted to string list', "groups"),
    ("value 1 in groups claim could not be parsed as string", "groups"),
    ('error validating claims: claim "x" is missing', "bound claims"),
    ("missing name in alias", "alias"),
]


@pytest.mark.parametrize(("said", "clause"), REFUSALS)
def test_a_refusal_names_its_clause(said: str, clause: str) -> None:
    error = failure(refused(500 if clause == "alias" else 400, said))
    assert isinstance(error, VaultRefused)
    assert error.clause == clause
    assert said in error.message
    assert error.message.startswith("Vault refuses the login as web: ")
    assert error.hint


def test_each_clause_is_a_rule_of_the_model_and_has_a_refusal() -> None:
    rules = {rule.name for rule in model._RULES}
    assert {clause.name for clause in CLAUSES} <= rules
    assert {clause.name for clause in CLAUSES} == {clause for _, clause in REFUSALS}
    # A login that is well-formed JSON gets to neither; the address is refused as a 403.
    assert rules - {clause.name for clause in CLAUSES} == {
        "bound addresses",
        "JWT",
        "claim types",
    }


@pytest.mark.parametrize(
    ("status", "error", "exit_status"),
    [
        (400, VaultRefused, 1),
        (403, VaultRefused, 1),
        (404, VaultRefused, 1),
        (307, UnexpectedVaultAnswer, 1),
        (429, VaultAway, 4),
        (473, VaultAway, 4),
        (500, VaultAway, 4),
        (503, VaultAway, 4),
    ],
)
def test_by_status(status: int, error: type[BridgeError], exit_status: int) -> None:
    for body in (b"", b"<html>", b"[]", b'{"errors": 1}', b'{"errors": []}', b"[" * 9000):
        failed = failure(HttpAnswer(status, {}, body))
        assert type(failed) is error
        assert failed.exit_status == exit_status


@pytest.mark.parametrize("body", [b"", b"null", b"{}", b'{"auth": null}', b'{"auth": {}}', b"<a>"])
def test_a_success_without_a_token(body: bytes) -> None:
    assert type(failure(HttpAnswer(200, {}, body))) is UnexpectedVaultAnswer


def test_a_server_that_repeats_the_token_puts_it_in_no_message() -> None:
    error = failure(refused(400, f"what is {JWT}?"))
    assert JWT not in error.diagnostic()
    assert "what is (the token)?" in error.message


def test_a_long_refusal_is_cut_and_of_one_line() -> None:
    error = failure(refused(400, "long\n" * 1000))
    assert len(error.message) < 500
    assert "\n" not in error.message
