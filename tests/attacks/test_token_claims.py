"""Attacks on what a token says: whose it is, for whom, for how long, and in what JSON."""

from __future__ import annotations

import json
from typing import Any

import pytest
from forgery.target import ATTACKER, BUNDLES, CLAIMS, HEADER, NOW, OTHER_KEY, P256, Refused, genuine
from forgery.tokens import signed

from spire_bridge.spiffe.errors import UntrustedSvid
from spire_bridge.spiffe.jwt_svid import verify_jwt_svid

pytestmark = pytest.mark.usefixtures("nobody_is_called")


# Two trust domains, with the same key ID.


@pytest.mark.parametrize("header", [HEADER, {"alg": "ES256"}], ids=["kid", "no kid"])
def test_one_trust_domain_cannot_sign_for_another(refused: Refused, header: Any) -> None:
    refused(signed(OTHER_KEY, header, CLAIMS), UntrustedSvid)
    refused(signed(P256, header, {**CLAIMS, "sub": "spiffe://other.org/web"}), UntrustedSvid)


@pytest.mark.parametrize(
    "subject",
    [
        "spiffe://example.org.other.org/web",
        "spiffe://examp1e.org/web",
        "spiffe://unknown.org/web",
        "spiffe://org/web",
    ],
)
def test_a_trust_domain_without_bundle(refused: Refused, subject: str) -> None:
    for key in (P256, OTHER_KEY, ATTACKER):
        refused(signed(key, HEADER, {**CLAIMS, "sub": subject}), UntrustedSvid)


@pytest.mark.parametrize(
    "subject",
    [
        *("spiffe://example.org@other.org/web", "spiffe://other.org:443/web", "web", ""),
        *("spiffe://ex\u0430mple.org/web", "spiffe://EXAMPLE.org/web", "spiffe://other.org\n/web"),
        *("spiffe://example.org/../other", "spiffe://example.org/web/", "spiffe://example.org//w"),
        *("spiffe://example.org/%2e%2e/w", "spiffe://example.org/web?a", "spiffe://example.org#"),
        *("spiffe://example.org/web\0", "spiffe://example.org/we\tb", "spiffe://" + "a" * 3_000),
        *(None, 5, True, [CLAIMS["sub"]], {"sub": CLAIMS["sub"]}),
    ],
    ids=ascii,
)
def test_subjects_that_are_no_spiffe_ids(refused: Refused, subject: object) -> None:
    refused(genuine(sub=subject))


# Audiences.


@pytest.mark.parametrize(
    "audience",
    [
        "bridg",
        "bridge2",
        "Bridge",
        "bridge ",
        " bridge",
        "bridge\x00",
        "br",
        "*",
        "other",
        ["other"],
        ["bridge2", "bridg"],
        ["b", "r", "i", "d", "g", "e"],
        "https://bridge/",
    ],
    ids=ascii,
)
def test_audiences_that_only_look_like_ours(refused: Refused, audience: object) -> None:
    refused(genuine(aud=audience), UntrustedSvid)


@pytest.mark.parametrize(
    "audience",
    [
        None,
        "",
        [],
        [""],
        {},
        {"bridge": True},
        [["bridge"]],
        [{"aud": "bridge"}],
        True,
        5,
        ["bridge", None],
        ["bridge", 5],
        ["bridge", ["bridge"]],
        [True],
    ],
    ids=ascii,
)
def test_audiences_that_are_none(refused: Refused, audience: object) -> None:
    refused(genuine(aud=audience))


@pytest.mark.parametrize("claim", ["sub", "aud", "exp"])
def test_a_claim_that_is_missing(refused: Refused, claim: str) -> None:
    refused(signed(P256, HEADER, {name: CLAIMS[name] for name in CLAIMS if name != claim}))


def test_another_audience_beside_ours_is_seen_by_the_caller() -> None:
    """The specification allows it; who must not be impersonated elsewhere can refuse it."""
    svid = verify_jwt_svid(genuine(aud=["bridge", "other"]), BUNDLES, "bridge", NOW)
    assert svid.audience == ("bridge", "other")


# Times.


@pytest.mark.parametrize("claim", ["exp", "nbf", "iat"])
@pytest.mark.parametrize(
    "value",
    ["9999999999", "", True, None, [9999999999], {}, -1, -1.5, 1e300, 1 << 53, 1 << 64, 10**4000],
    ids=lambda value: ascii(value)[:20],
)
def test_times_that_are_none(refused: Refused, claim: str, value: object) -> None:
    refused(genuine(**{claim: value}))


@pytest.mark.parametrize("value", [b"NaN", b"Infinity", b"1e999", b"1E400", b"9" * 5_000])
def test_times_that_python_alone_would_read(refused: Refused, value: bytes) -> None:
    claims = json.dumps(CLAIMS).encode().replace(str(NOW + 300).encode(), value)
    refused(signed(P256, HEADER, claims))


@pytest.mark.parametrize(
    "times",
    [
        {"exp": NOW},
        {"exp": NOW - 1},
        {"exp": 0},
        {"iat": NOW + 61},
        {"nbf": NOW + 61},
        {"exp": NOW + 0.9},
        {"nbf": NOW + 200, "iat": NOW},
    ],
    ids=repr,
)
def test_times_outside_of_which_a_token_is_bad(refused: Refused, times: dict[str, Any]) -> None:
    refused(genuine(**times), UntrustedSvid, now=NOW + 0.5 if "exp" in times else NOW)


# JSON.

TWO_SUBJECTS = b'{"sub":"spiffe://example.org/web","sub":"spiffe://example.org/admin",'
REST = b'"aud":"bridge","exp":1000300'

JSON_TRICKS = {
    "subject twice": TWO_SUBJECTS + REST + b"}",
    "subject twice, escaped": TWO_SUBJECTS.replace(
        b'"sub":"spiffe://example.org/a', b'"\\u0073ub":"spiffe://example.org/a'
    )
    + REST
    + b"}",
    "audience twice": b'{"aud":"other",' + TWO_SUBJECTS[36:] + REST + b"}",
    "deep nesting": b'{"a":' + b"[" * 5_000 + b"]" * 5_000 + b"}",
    "deep nesting of objects": b'{"a":' * 2_000 + b"1" + b"}" * 2_000,
    "nesting never closed": b"[" * 10_000,
    "lone surrogate": b'{"sub":"spiffe://example.org/web","a":"\\ud800",' + REST + b"}",
    "lone surrogate in a name": b'{"\\udfff":1,"sub":"spiffe://example.org/web",' + REST + b"}",
    "huge integer": b'{"a":' + b"9" * 10_000 + b',"sub":"spiffe://example.org/web",' + REST + b"}",
    "NaN elsewhere": b'{"a":NaN,"sub":"spiffe://example.org/web",' + REST + b"}",
    "byte order mark": b'\xef\xbb\xbf{"sub":"spiffe://example.org/web",' + REST + b"}",
    "UTF-16": ('{"sub":"spiffe://example.org/web",' + REST.decode() + "}").encode("utf-16"),
    "not UTF-8": b'{"a":"\xff","sub":"spiffe://example.org/web",' + REST + b"}",
    "control character": b'{"a":"\n","sub":"spiffe://example.org/web",' + REST + b"}",
    "a second document": b'{"sub":"spiffe://example.org/web",' + REST + b'}{"a":1}',
    "an array": b'[{"sub":"spiffe://example.org/web",' + REST + b"}]",
    "a string": b'"spiffe://example.org/web"',
    "null": b"null",
    "nothing": b"",
}


@pytest.mark.parametrize("claims", JSON_TRICKS.values(), ids=JSON_TRICKS.keys())
def test_payloads_that_are_ambiguous_or_hostile(refused: Refused, claims: bytes) -> None:
    refused(signed(P256, HEADER, claims, "ES256"))


@pytest.mark.parametrize(
    "header",
    [
        b'{"alg":"none","alg":"ES256","kid":"p256"}',
        b'{"alg":"ES256","kid":"p256","kid":"p384"}',
        b'{"alg":"ES256","\\u0061lg":"none"}',
        b'{"alg":"ES256","kid":"\\ud800"}',
        b'{"alg":"ES256","kid":' + b"[" * 5_000 + b"]" * 5_000 + b"}",
        b'["alg","ES256"]',
        b"",
        b"{}",
    ],
    ids=range(8),
)
def test_headers_that_are_ambiguous_or_hostile(refused: Refused, header: bytes) -> None:
    refused(signed(P256, header, CLAIMS, "ES256"))


@pytest.mark.parametrize("size", [16 * 1024, 100_000])
def test_tokens_beyond_16_kib(refused: Refused, size: int) -> None:
    refused(genuine(a="x" * size))
    refused("a" * (size + 1))
    refused("." * (size + 1))


def test_a_large_token_within_the_limit_is_good() -> None:
    token = genuine(a="x" * 11_000)
    assert 14_000 < len(token) <= 16 * 1024
    assert verify_jwt_svid(token, BUNDLES, "bridge", NOW)
