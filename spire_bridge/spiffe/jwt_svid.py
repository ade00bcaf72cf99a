"""JWT-SVIDs (JWT-SVID specification): two types, so that proof can't be assumed.

`UnverifiedJwtSvid` is what a token says; `JwtSvid` is what has been proven, and only
`verify_jwt_svid` makes one. Code that decides by a token's content takes the second.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from types import MappingProxyType

from spire_bridge.jose.compact import parse_compact
from spire_bridge.jose.errors import InvalidToken
from spire_bridge.jose.strict_json import is_integer
from spire_bridge.spiffe.errors import InvalidSvid, UntrustedSvid
from spire_bridge.spiffe.id import InvalidSpiffeId, SpiffeId, TrustDomain
from spire_bridge.value import Value

TYPE_CHECKING = False
if TYPE_CHECKING:  # parsing needs no keys: reading a token must not load cryptography
    from typing import Any, Self

    from spire_bridge.spiffe.jwt_bundle import JwtAuthority, JwtBundle

ALGORITHMS = frozenset(
    {"RS256", "RS384", "RS512", "ES256", "ES384", "ES512", "PS256", "PS384", "PS512"}
)
CLOCK_SKEW_SECONDS = 60  # how far an issuer's clock may be ahead of ours, for iat and nbf

_HEADERS = frozenset({"alg", "kid", "typ"})
_TYPES = ("JWT", "JOSE")  # a tuple: what a token says may be unhashable


class UnverifiedJwtSvid(Value):
    """A well-formed JWT-SVID whose signature, audience and time nobody has checked.

    Times are seconds since the epoch. `hint` comes from the Workload API, not from
    the token.
    """

    _hidden = ("token", "claims")

    token: str
    spiffe_id: SpiffeId
    audience: tuple[str, ...]
    expires_at: int
    issued_at: int | None
    not_before: int | None
    issuer: str | None
    algorithm: str
    key_id: str | None
    claims: Mapping[str, Any]
    hint: str = ""

    @classmethod
    def parse(cls, token: str, *, hint: str = "") -> Self:
        """Reads a token by sections 2 and 3 of the specification. Raises `InvalidSvid`."""
        try:
            jws = parse_compact(token)
        except InvalidToken as error:
            raise InvalidSvid(error.message, hint=error.hint) from None
        claims = jws.claims
        return cls(
            token=token,
            spiffe_id=_subject(claims),
            audience=_audience(claims),
            expires_at=_required(_numeric_date(claims, "exp"), "exp"),
            issued_at=_numeric_date(claims, "iat"),
            not_before=_numeric_date(claims, "nbf"),
            issuer=_optional_string(claims, "iss"),
            algorithm=_algorithm(jws.header),
            key_id=_optional_string(jws.header, "kid"),
            claims=MappingProxyType(claims),
            hint=hint,
        )


class JwtSvid(Value):
    """A proven JWT-SVID: signed by its trust domain, for this audience, valid at `now`.

    Made by `verify_jwt_svid` alone.
    """

    _hidden = ("token", "claims")

    token: str
    spiffe_id: SpiffeId
    audience: tuple[str, ...]
    expires_at: int
    claims: Mapping[str, Any]


def verify_jwt_svid(
    token: str,
    bundles: Mapping[TrustDomain, JwtBundle],
    audience: str | Iterable[str],
    now: float,
    *,
    leeway_seconds: float = 0,
) -> JwtSvid:
    """Verifies a token as section 4 and RFC 7519 section 7.2 ask.

    The bundle is chosen by the trust domain of the token's own subject, and no other
    key is tried, nor one that has itself expired. `audience` is what the verifier calls
    itself, one name or several of which one must match. `leeway_seconds` lengthens the
    token's life.

    Raises `InvalidSvid` for a token that breaks the specification, `UntrustedSvid` for
    one that is not proven, not for this audience, or not valid at `now`.
    """
    svid = UnverifiedJwtSvid.parse(token)
    _check_signature(svid, bundles, now - leeway_seconds)
    _check_times(svid, now, leeway_seconds)
    accepted = {audience} if isinstance(audience, str) else set(audience)
    if accepted.isdisjoint(svid.audience):
        raise UntrustedSvid("token is for another audience")
    return JwtSvid(svid.token, svid.spiffe_id, svid.audience, svid.expires_at, svid.claims)


def _check_signature(
    svid: UnverifiedJwtSvid, bundles: Mapping[TrustDomain, JwtBundle], now: float
) -> None:
    from spire_bridge.jose.errors import UntrustedToken
    from spire_bridge.jose.verify import verify_signature

    trust_domain = svid.spiffe_id.trust_domain
    bundle = bundles.get(trust_domain)
    if bundle is None or bundle.trust_domain != trust_domain:
        raise UntrustedSvid(f"no bundle for trust domain {trust_domain}")
    jws = parse_compact(svid.token)
    for authority in _candidates(svid, bundle):
        if authority.expires_at is not None and now >= authority.expires_at:
            continue
        try:
            verify_signature(jws, authority.key, algorithm=svid.algorithm)
        except UntrustedToken:
            continue
        return
    raise UntrustedSvid(f"no key of trust domain {trust_domain} has signed the token")


def _candidates(svid: UnverifiedJwtSvid, bundle: JwtBundle) -> list[JwtAuthority]:
    """The key that the token names; every key of its algorithm if it names none (section 2.2)."""
    if svid.key_id is not None:
        authority = bundle.authorities.get(svid.key_id)
        return [authority] if authority else []
    return [a for a in bundle.authorities.values() if svid.algorithm in a.key.algorithms]


def _check_times(svid: UnverifiedJwtSvid, now: float, leeway_seconds: float) -> None:
    if now >= svid.expires_at + leeway_seconds:
        raise UntrustedSvid("token has expired")
    earliest = max(svid.issued_at or 0, svid.not_before or 0)
    if now + CLOCK_SKEW_SECONDS < earliest:
        raise UntrustedSvid("token is not valid yet: its issuer's clock is ahead")


def _algorithm(header: Mapping[str, Any]) -> str:
    """Section 2: nothing beyond alg, kid and typ may appear."""
    if not _HEADERS.issuperset(header):
        raise InvalidSvid("token has a header that JWT-SVIDs must not have")
    algorithm = header.get("alg")
    if not isinstance(algorithm, str) or algorithm not in ALGORITHMS:
        raise InvalidSvid(
            "token's algorithm is not one that JWT-SVIDs may use",
            hint=f"allowed: {', '.join(sorted(ALGORITHMS))}",
        )
    if "typ" in header and header["typ"] not in _TYPES:
        raise InvalidSvid("token's type is neither JWT nor JOSE")
    return algorithm


def _subject(claims: Mapping[str, Any]) -> SpiffeId:
    subject = claims.get("sub")
    if not isinstance(subject, str):
        raise InvalidSvid("token has no 'sub' claim")
    try:
        return SpiffeId.parse(subject)
    except InvalidSpiffeId as error:
        raise InvalidSvid(f"token's 'sub' claim: {error.message}") from None


def _audience(claims: Mapping[str, Any]) -> tuple[str, ...]:
    value = claims.get("aud")
    audience = [value] if isinstance(value, str) else value
    if not isinstance(audience, list) or not audience:
        raise InvalidSvid("token has no 'aud' claim")
    if not all(isinstance(name, str) and name for name in audience):
        raise InvalidSvid("token's 'aud' claim has values that are not names")
    return tuple(audience)


def _numeric_date(claims: Mapping[str, Any], name: str) -> int | None:
    """A NumericDate as whole seconds: a fraction (RFC 7519 section 2) is dropped."""
    value = claims.get(name)
    if name not in claims:
        return None
    if isinstance(value, float):
        value = math.floor(value)
    if not is_integer(value) or not 0 <= value < 1 << 53:
        raise InvalidSvid(f"token's {name!r} claim is not a time")
    return value


def _required(value: int | None, name: str) -> int:
    if value is None:
        raise InvalidSvid(f"token has no {name!r} claim")
    return value


def _optional_string(members: Mapping[str, Any], name: str) -> str | None:
    value = members.get(name)
    if name in members and not isinstance(value, str):
        raise InvalidSvid(f"token's {name!r} is not a string")
    return value
