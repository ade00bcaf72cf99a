"""Tokens of an issuer's workloads, right and wrong in every way that a verifier looks at."""

from __future__ import annotations

import base64
import json
import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from forgery.tokens import ec_key, encoded, jwk, rsa_key, signature

ISSUER = "https://issuer.peers.test"
AUDIENCE = "relying-party"
WEB = "spiffe://peers.test/ns/prod/sa/web"

Claims = dict[str, Any]
Change = Callable[[Claims, "Draw"], None]

RSA = {"kid": "rsa", "alg": "RS256"}
EC = {"kid": "ec", "alg": "ES256"}
KEYS = (jwk(rsa_key("agreement"), **RSA), jwk(ec_key(7), **EC))


@dataclass(frozen=True, slots=True)
class Draw:
    """Draws the same tokens in every run, but for the present time."""

    random: random.Random
    now: int
    more_changes: tuple[Change, ...] = ()

    def token(self) -> str:
        """A good one, with at most two things changed."""
        claims = self._claims()
        changes = (*_CHANGES, *self.more_changes)
        for change in self.random.sample(changes, self.random.choices((0, 1, 2), (5, 5, 1))[0]):
            change(claims, self)
        if self.random.random() < 0.85:
            return signed(claims)
        return self.random.choice(_FORGERIES)(claims)

    def any(self, *values: Any) -> Any:
        return self.random.choice(values)

    def _claims(self) -> Claims:
        return {
            "iss": ISSUER,
            "sub": WEB,
            "aud": self.any(AUDIENCE, [AUDIENCE], [AUDIENCE, "other"]),
            "iat": self.now - 30,
            "exp": self.now + 300,
            "jti": "7a1e",
            "team": "payments",
            "empty": "",
            "n": self.any(5, 5.0, 5.7),
            "groups": ["web", "prod"],
            "email": "web@peers.test",
            "email_verified": True,
            "nested": {"name": "deep", "list": ["x", "y"], "a/b": "slash", "empty": None},
        }


def signed(claims: Claims | bytes, header: dict[str, Any] | None = None, key: Any = None) -> str:
    """A token that the issuer signed, if it is not told otherwise."""
    head = {**RSA, **(header or {})}
    data = f"{encoded(head)}.{encoded(claims)}"
    made = signature(key or rsa_key("agreement"), head["alg"], data.encode())
    return f"{data}.{base64.urlsafe_b64encode(made).rstrip(b'=').decode()}"


def _set(name: str, *values: Any) -> Change:
    def change(claims: Claims, draw: Draw) -> None:
        claims[name] = draw.any(*values)

    return change


def _unset(*names: str) -> Change:
    def change(claims: Claims, _: Draw) -> None:
        for name in names:
            claims.pop(name, None)

    return change


def _later(name: str, *offsets: float) -> Change:
    """Far enough from every border that it does not matter how long the asking takes."""

    def change(claims: Claims, draw: Draw) -> None:
        claims[name] = draw.now + draw.any(*offsets)

    return change


def _issued_later(claims: Claims, draw: Draw) -> None:
    claims |= {"iat": draw.now + draw.any(30, 90, 400), "nbf": draw.now - 1}


_CHANGES: tuple[Change, ...] = (
    _set("iss", f"{ISSUER}/", "https://other.test", None, 5, ""),
    _unset("iss"),
    _set("sub", "spiffe://peers.test/ns/test/sa/web", "spiffe://peers.test/ns/prod/sa/db"),
    _set("sub", None, 5, True, ["x"], "", 'a"b'),
    _unset("sub"),
    _set("aud", "other", ["other", "third"], "", [], None, 5, [AUDIENCE, 5], {"a": 1}),
    _unset("aud"),
    _later("exp", -30, -100, -200, -400, 0.5 - 30, 100.5),
    _later("exp", -100, -2000),
    _issued_later,
    _set("exp", None, "soon", True, 0, [1]),
    _unset("exp"),
    _later("nbf", -100, 30, 90, 200, 400),
    _set("nbf", None, "soon", 0),
    _later("iat", 30, 90, 200, -100, -400),
    _unset("iat"),
    _unset("iat", "exp"),
    _set("jti", "", None, 5),
    _set("team", "billing", "pay", None, 5, ["payments", "x"], ["x"], {"a": 1}, ""),
    _unset("team"),
    _set("n", 7, "5", True, [5], 5.2e20, -5),
    _unset("n"),
    _set("groups", "web", [], ["", "web"], [1], [1.5, None], {"a": 1}, True, None, 3),
    _set("groups", ["system:masters"], ["db"]),
    _unset("groups"),
    _set("email_verified", False, "true", None, 1),
    _unset("email_verified"),
    _set("email", None, 5, ""),
    _set("nested", {"name": 5}, {}, "x", None, {"name": "other", "list": []}),
    _unset("nested"),
)


def _cut(claims: Claims) -> str:
    return signed(claims)[:-8]


_FORGERIES: tuple[Callable[[Claims], str], ...] = (
    lambda claims: signed(claims, EC, ec_key(7)),
    lambda claims: signed(claims, EC, ec_key(7)),
    lambda claims: signed(claims, {"alg": "PS256"}),
    lambda claims: signed(claims, {"alg": "RS512"}),
    lambda claims: signed(claims, {"kid": "unknown"}),
    lambda claims: signed(claims, {"kid": ""}),
    lambda claims: signed(claims, {"kid": "ec"}),
    lambda claims: signed(claims, key=rsa_key("foreign")),
    lambda claims: signed(claims, {**EC, "kid": "rsa"}, ec_key(7)),
    lambda claims: f"{encoded({**RSA, 'alg': 'HS256'})}.{encoded(claims)}.AAAA",
    lambda claims: f"{encoded({**RSA, 'alg': 'none'})}.{encoded(claims)}.",
    lambda claims: signed(claims, {"crit": ["x"], "x": 1}),
    _cut,
    lambda claims: _cut(claims).rpartition(".")[0],
    lambda _: "",
    lambda _: "garbage",
    lambda claims: signed(json.dumps(claims).encode()[:-1]),
)
