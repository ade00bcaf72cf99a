"""What a JWT-SVID may say (JWT-SVID, sections 2 and 3)."""

from __future__ import annotations

import contextlib
from typing import Any

import pytest
from forgery.tokens import compact
from hypothesis import given
from hypothesis import strategies as st

from spire_bridge.spiffe.errors import InvalidSvid, UntrustedSvid
from spire_bridge.spiffe.jwt_svid import ALGORITHMS, UnverifiedJwtSvid

HEADER = {"alg": "ES256", "kid": "p256", "typ": "JWT"}
CLAIMS = {"sub": "spiffe://example.org/web", "aud": ["bridge"], "exp": 1_000_300}
ABSENT = object()


def with_members(members: dict[str, Any], **changes: Any) -> dict[str, Any]:
    return {name: value for name, value in {**members, **changes}.items() if value is not ABSENT}


def parsed(header: dict[str, Any] | None = None, **claims: Any) -> UnverifiedJwtSvid:
    changed = with_members(CLAIMS, **claims)
    return UnverifiedJwtSvid.parse(compact(header or HEADER, changed, b"signature"))


def test_a_token_is_read() -> None:
    token = compact(
        HEADER, {**CLAIMS, "iat": 1, "nbf": 2, "iss": "https://a", "n": [1]}, b"signature"
    )
    svid = UnverifiedJwtSvid.parse(token, hint="internal")
    assert svid.token == token
    assert str(svid.spiffe_id) == "spiffe://example.org/web"
    assert svid.audience == ("bridge",)
    assert (svid.expires_at, svid.issued_at, svid.not_before) == (1_000_300, 1, 2)
    assert (svid.issuer, svid.algorithm, svid.key_id) == ("https://a", "ES256", "p256")
    assert svid.claims["n"] == [1]
    assert svid.hint == "internal"


def test_what_is_optional_may_be_absent() -> None:
    svid = parsed({"alg": "RS256"})
    assert (svid.key_id, svid.issuer, svid.issued_at, svid.not_before) == (None,) * 4


@pytest.mark.parametrize(
    "algorithm",
    ["RS256", "RS384", "RS512", "ES256", "ES384", "ES512", "PS256", "PS384", "PS512"],
)
def test_the_algorithms_of_section_2_1_are_all(algorithm: str) -> None:
    assert parsed({"alg": algorithm}).algorithm == algorithm
    assert len(ALGORITHMS) == 9


ALGORITHMS_REFUSED = [
    *("none", "None", "NONE", "nOnE", "", "HS256", "HS384", "HS512", "EdDSA", "Ed25519"),
    *("ES256K", "RS1", "rs256", "RS256 ", "RS256\n", "ES\u0662\u0665\u0666", "A128KW", "dir"),
    *(None, True, 256, ["RS256"], {"RS256": 1}, [], {}, ABSENT),
]


@pytest.mark.parametrize("algorithm", ALGORITHMS_REFUSED, ids=repr)
def test_any_other_algorithm_is_refused(algorithm: object) -> None:
    with pytest.raises(InvalidSvid, match="algorithm"):
        parsed(with_members(HEADER, alg=algorithm))


@pytest.mark.parametrize("kind", ["JWT", "JOSE", ABSENT], ids=repr)
def test_the_types_of_section_2_3(kind: object) -> None:
    assert parsed(with_members(HEADER, typ=kind))


@pytest.mark.parametrize(
    "kind",
    [
        "jwt",
        "jose",
        "JWS",
        "JWT ",
        "at+jwt",
        "wit+jwt",
        "application/jwt",
        "",
        None,
        1,
        True,
        ["JWT"],
        {"JWT": 1},
        [],
        {},
    ],
    ids=repr,
)
def test_any_other_type_is_refused(kind: object) -> None:
    with pytest.raises(InvalidSvid, match="neither JWT nor JOSE"):
        parsed(with_members(HEADER, typ=kind))


@pytest.mark.parametrize(
    "name",
    [
        "jku",
        "jwk",
        "x5u",
        "x5c",
        "x5t",
        "x5t#S256",
        "crit",
        "cty",
        "b64",
        "zip",
        "enc",
        "epk",
        "iss",
        "sub",
        "ALG",
        "Kid",
        "",
        "private",
    ],
)
@pytest.mark.parametrize("value", [None, "", "a", [], {}, False])
def test_any_other_header_is_refused(name: str, value: object) -> None:
    with pytest.raises(InvalidSvid, match="header that JWT-SVIDs must not have"):
        parsed({**HEADER, name: value})


@pytest.mark.parametrize("key_id", [None, 1, True, ["p256"], {}], ids=repr)
def test_a_key_id_is_a_string(key_id: object) -> None:
    with pytest.raises(InvalidSvid, match="'kid' is not a string"):
        parsed({**HEADER, "kid": key_id})


@pytest.mark.parametrize(
    "subject",
    [
        ABSENT,
        None,
        1,
        True,
        [],
        ["spiffe://example.org/web"],
        {},
        "",
        "web",
        "system:serviceaccount:a:b",
        "https://example.org/web",
        "SPIFFE://example.org/web",
        "spiffe://example.org/",
        "spiffe://Example.org/web",
        "spiffe://example.org/web\n",
    ],
    ids=repr,
)
def test_the_subject_is_a_spiffe_id(subject: object) -> None:
    with pytest.raises(InvalidSvid, match="'sub'"):
        parsed(sub=subject)


@pytest.mark.parametrize(
    ("value", "audience"),
    [
        ("bridge", ("bridge",)),
        (["bridge"], ("bridge",)),
        (["a", "b", "a"], ("a", "b", "a")),
        (["spiffe://example.org/reports"], ("spiffe://example.org/reports",)),
    ],
)
def test_the_audience_is_one_name_or_several(value: object, audience: tuple[str, ...]) -> None:
    assert parsed(aud=value).audience == audience


@pytest.mark.parametrize(
    "value",
    [
        ABSENT,
        None,
        "",
        [],
        [""],
        ["bridge", ""],
        [None],
        ["bridge", 1],
        [["bridge"]],
        {"bridge": 1},
        {},
        1,
        True,
        0,
        False,
    ],
    ids=repr,
)
def test_anything_else_is_no_audience(value: object) -> None:
    with pytest.raises(InvalidSvid, match="'aud'"):
        parsed(aud=value)


@pytest.mark.parametrize("issuer", [None, 1, [], {}, True], ids=repr)
def test_an_issuer_is_a_string(issuer: object) -> None:
    with pytest.raises(InvalidSvid, match="'iss'"):
        parsed(iss=issuer)


def test_a_broken_token_is_not_called_untrusted() -> None:
    """The two differ for whoever retries: time and keys mend the one, nothing the other."""
    with pytest.raises(InvalidSvid) as caught:
        UnverifiedJwtSvid.parse("not.a.token")
    assert not isinstance(caught.value, UntrustedSvid)
    assert issubclass(UntrustedSvid, InvalidSvid)


def test_neither_token_nor_claims_are_in_the_representation() -> None:
    svid = parsed(email="someone@example.org")
    assert svid.token not in repr(svid)
    assert "someone" not in repr(svid)


def test_the_claims_cannot_be_replaced() -> None:
    claims: Any = parsed().claims
    with pytest.raises(TypeError):
        claims["sub"] = "spiffe://example.org/admin"


ANY = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=6)
    | st.sampled_from(["JWT", "ES256", "bridge", CLAIMS["sub"]]),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=3), inner),
    max_leaves=4,
)
NAMES = st.sampled_from(["alg", "kid", "typ", "jku", "crit"])
CLAIM_NAMES = st.sampled_from(["sub", "aud", "exp", "nbf", "iat", "iss", "jti"])


@given(st.dictionaries(NAMES, ANY), st.dictionaries(CLAIM_NAMES, ANY))
def test_no_token_raises_anything_else(header: dict[str, Any], claims: dict[str, Any]) -> None:
    token = compact({"alg": "ES256", **header}, {**CLAIMS, **claims}, b"signature")
    with contextlib.suppress(InvalidSvid):
        svid = UnverifiedJwtSvid.parse(token)
        assert all(isinstance(name, str) for name in svid.audience)
        assert type(svid.expires_at) is int
    with contextlib.suppress(InvalidSvid):
        UnverifiedJwtSvid.parse(compact(header, claims, b""))


@given(st.text())
def test_no_text_raises_anything_else(text: str) -> None:
    with pytest.raises(InvalidSvid):
        UnverifiedJwtSvid.parse(text)
