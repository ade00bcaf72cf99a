"""A JWT-SVID's times: what a time is, and when a token is good."""

from __future__ import annotations

from typing import Any

import pytest
from forgery.tokens import compact, encoded, signature, signed

from spire_bridge.spiffe.errors import InvalidSvid, UntrustedSvid
from spire_bridge.spiffe.jwt_svid import CLOCK_SKEW_SECONDS, UnverifiedJwtSvid, verify_jwt_svid

HEADER = {"alg": "ES256", "kid": "p256"}
CLAIMS = b'{"sub":"spiffe://example.org/web","aud":"bridge","exp":1000300%s}'

# As they stand in the token, since Python writes none of these.
NO_TIMES = {
    "null": b"null",
    "string": b'"1000300"',
    "empty string": b'""',
    "date": b'"2033-05-18T03:33:20Z"',
    "true": b"true",
    "false": b"false",
    "list": b"[1000300]",
    "object": b'{"value":1000300}',
    "negative": b"-1",
    "negative fraction": b"-0.5",
    "NaN": b"NaN",
    "Infinity": b"Infinity",
    "minus Infinity": b"-Infinity",
    "overflow": b"1e999",
    "larger than any double counts": b"1e300",
    "2**53": b"9007199254740992",
    "64 bits": b"18446744073709551616",
    "4,000 digits": b"9" * 4000,
    "5,000 digits": b"9" * 5000,
}


def claims_with(name: str, value: bytes) -> bytes:
    if name == "exp":
        return CLAIMS.replace(b"1000300%s", value)
    return CLAIMS % (b',"%s":%s' % (name.encode(), value))


@pytest.mark.parametrize("name", ["exp", "nbf", "iat"])
@pytest.mark.parametrize("value", NO_TIMES.values(), ids=NO_TIMES.keys())
def test_anything_else_is_no_time(name: str, value: bytes) -> None:
    with pytest.raises(InvalidSvid):
        UnverifiedJwtSvid.parse(compact(HEADER, claims_with(name, value), b"signature"))


def test_a_token_without_expiry_is_refused() -> None:
    claims = CLAIMS.replace(b',"exp":1000300%s', b"")
    with pytest.raises(InvalidSvid, match="no 'exp'"):
        UnverifiedJwtSvid.parse(compact(HEADER, claims, b"signature"))


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        (b"1000300", 1000300),
        (b"1000300.0", 1000300),
        (b"1.0003e6", 1000300),
        # RFC 7519 section 2 allows fractions: an expiry is then early, never late.
        (b"1000300.999", 1000300),
        (b"0", 0),
        (b"-0.0", 0),
        (b"9007199254740991", (1 << 53) - 1),
    ],
)
def test_a_time_is_a_number_of_seconds(value: bytes, seconds: int) -> None:
    svid = UnverifiedJwtSvid.parse(compact(HEADER, claims_with("exp", value), b"signature"))
    assert svid.expires_at == seconds
    assert type(svid.expires_at) is int


EXPIRY, ISSUED = 1_000_300, 1_000_000


def verify(keys: Any, bundles: Any, now: float, leeway: float = 0, **claims: Any) -> None:
    content = {"sub": "spiffe://example.org/web", "aud": "bridge", "exp": EXPIRY, **claims}
    token = signed(keys["p256"], HEADER, content)
    verify_jwt_svid(token, bundles, "bridge", now, leeway_seconds=leeway)


@pytest.mark.parametrize("now", [0, EXPIRY - 1, EXPIRY - 0.001])
def test_a_token_is_good_before_its_expiry(keys: Any, bundles: Any, now: float) -> None:
    verify(keys, bundles, now)


@pytest.mark.parametrize("now", [EXPIRY, EXPIRY + 0.001, EXPIRY + 1, 1e12])
def test_a_token_is_bad_from_its_expiry_on(keys: Any, bundles: Any, now: float) -> None:
    """RFC 7519 section 4.1.4: on or after that time it must not be accepted."""
    with pytest.raises(UntrustedSvid, match="expired"):
        verify(keys, bundles, now)


def test_leeway_lengthens_the_life_of_a_token(keys: Any, bundles: Any) -> None:
    verify(keys, bundles, EXPIRY + 29, leeway=30)
    with pytest.raises(UntrustedSvid, match="expired"):
        verify(keys, bundles, EXPIRY + 30, leeway=30)


@pytest.mark.parametrize("name", ["iat", "nbf"])
def test_a_token_from_the_future_is_bad(keys: Any, bundles: Any, name: str) -> None:
    verify(keys, bundles, ISSUED, **{name: ISSUED})
    verify(keys, bundles, ISSUED, **{name: ISSUED + CLOCK_SKEW_SECONDS})
    with pytest.raises(UntrustedSvid, match="not valid yet"):
        verify(keys, bundles, ISSUED, **{name: ISSUED + CLOCK_SKEW_SECONDS + 1})


@pytest.mark.parametrize("exp", [b"NaN", b"1e999", b'"9999999999"', b"true"])
def test_no_signature_makes_a_time_of_it(keys: Any, bundles: Any, exp: bytes) -> None:
    claims = claims_with("exp", exp)
    data = f"{encoded(HEADER)}.{encoded(claims)}".encode()
    token = compact(HEADER, claims, signature(keys["p256"], "ES256", data))
    with pytest.raises(InvalidSvid):
        verify_jwt_svid(token, bundles, "bridge", ISSUED)
