"""Signatures: one key, one algorithm that fits it."""

from __future__ import annotations

from typing import Any

import pytest
from forgery.tokens import compact, ec_key, encoded, jwk, rsa_key, signature, signed
from hypothesis import given
from hypothesis import strategies as st

from spire_bridge.jose.compact import CompactJws, parse_compact
from spire_bridge.jose.errors import UntrustedToken
from spire_bridge.jose.public_key import RSA_ALGORITHMS, PublicKey
from spire_bridge.jose.verify import verify_signature

PAYLOAD = (
    "eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ"
)
# RFC 7515 appendix A.2.
A2_KEY = {
    "kty": "RSA",
    "n": "ofgWCuLjybRlzo0tZWJjNiuSfb4p4fAkd_wWJcyQoTbji9k0l8W26mPddxHmfHQp-Vaw-4qPCJrcS2mJPMEzP1Pt"
    "0Bm4d4QlL-yRT-SFd2lZS-pCgNMsD1W_YpRPEwOWvG6b32690r2jZ47soMZo9wGzjb_7OMg0LOL-bSf63kpaSHSXndS5"
    "z5rexMdbBYUsLA9e-KXBdQOS-UTo7WTBEMa2R2CapHg665xsmtdVMTBQY4uDZlxvb3qCo5ZwKh9kG4LT6_I5IhlJH7aG"
    "hyxXFvUK-DWNmoudF8NAco9_h9iaGNj8q2ethFkMLs91kzk2PAcDTW9gb54h4FRWyuXpoQ",
    "e": "AQAB",
}
A2_TOKEN = (
    f"eyJhbGciOiJSUzI1NiJ9.{PAYLOAD}."
    "cC4hiUPoj9Eetdgtv3hF80EGrhuB__dzERat0XF9g2VtQgr9PJbu3XOiZj5RZmh7AAuHIm4Bh-0Qc_lF5YKt_O8W2Fp5"
    "jujGbds9uJdbF9CUAr7t1dnZcAcQjbKBYNX4BAynRFdiuB--f_nZLgrnbyTyWzO75vRK5h6xBArLIARNPvkSjtQBMHlb"
    "1L07Qe7K0GarZRmB_eSN9383LcOLn6_dO--xi12jzDwusC-eOkHWEsqtFZESc6BfI7noOPqvhJ1phCnvWh6IeYI2w9QO"
    "YEUipUTI8np6LbgGY9Fs98rqVt5AXLIhWkWywlVmtVrBp0igcN_IoypGlUPQGe77Rw"
)
# RFC 7515 appendix A.3.
A3_KEY = {
    "kty": "EC",
    "crv": "P-256",
    "x": "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU",
    "y": "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0",
}
A3_TOKEN = (
    f"eyJhbGciOiJFUzI1NiJ9.{PAYLOAD}."
    "DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1Q"
)
# RFC 7515 appendix A.4, whose payload is no JSON.
A4_KEY = {
    "kty": "EC",
    "crv": "P-521",
    "x": "AekpBQ8ST8a8VcfVOTNl353vSrDCLLJXmPk06wTjxrrjcBpXp5EOnYG_NjFZ6OvLFV1jSfS9tsz4qUxcWceqwQGk",
    "y": "ADSmRA43Z1DSNx_RvcLI87cdL07l6jQyyBXMoxVg_l2Th-x3S1WDhjDly79ajL4Kkd0AZMaZmh9ubmf63e3kyMj2",
}
A4_TOKEN = (
    "eyJhbGciOiJFUzUxMiJ9.UGF5bG9hZA."
    "AdwMgeerwtHoh-l192l60hp9wAHZFVJbLfD_UxMi70cwnZOYaRI1bKPWROc-mZZqwqT2SI-KGDKB34XO0aw_7XdtAG8G"
    "aSwFKdCAPZgoXD2YBJZCPEX3xKpRwcdOO8KpEHwJjyqOgzDO7iKvU8vcnwNrmxYbSW9ERBXukOXolLzeO_Jn"
)

PUBLISHED = [
    (A2_KEY, parse_compact(A2_TOKEN), "RS256"),
    (A3_KEY, parse_compact(A3_TOKEN), "ES256"),
    (A4_KEY, CompactJws(A4_TOKEN, {"alg": "ES512"}, {}), "ES512"),
]


@pytest.mark.parametrize(("key", "token", "algorithm"), PUBLISHED)
def test_the_examples_of_rfc_7515_verify(
    key: dict[str, str], token: CompactJws, algorithm: str
) -> None:
    verify_signature(token, PublicKey.from_jwk(key), algorithm=algorithm)


KEYS: dict[str, Any] = {
    **dict.fromkeys(RSA_ALGORITHMS, rsa_key()),
    "ES256": ec_key(1, "P-256"),
    "ES384": ec_key(1, "P-384"),
    "ES512": ec_key(1, "P-521"),
}


@pytest.mark.parametrize("algorithm", KEYS)
def test_each_algorithm_verifies_what_it_signed_and_nothing_else(algorithm: str) -> None:
    key = KEYS[algorithm]
    public = PublicKey.from_jwk(jwk(key))
    token = signed(key, {"alg": algorithm}, {"sub": "a"})
    verify_signature(parse_compact(token), public, algorithm=algorithm)
    header, _, tail = token.split(".")
    other = f"{header}.{encoded({'sub': 'b'})}.{tail}"
    with pytest.raises(UntrustedToken):
        verify_signature(parse_compact(other), public, algorithm=algorithm)


@pytest.mark.parametrize("algorithm", KEYS)
@pytest.mark.parametrize("other", KEYS)
def test_no_key_verifies_with_another_algorithm(algorithm: str, other: str) -> None:
    """Neither one that does not fit the key, nor one that the token does not name."""
    if algorithm == other:
        return
    key = KEYS[algorithm]
    token = parse_compact(signed(key, {"alg": algorithm}, {}))
    with pytest.raises(UntrustedToken):
        verify_signature(token, PublicKey.from_jwk(jwk(key)), algorithm=other)


@pytest.mark.parametrize("algorithm", ["none", "HS256", "EdDSA", "", "RS1", "rs256"])
def test_an_algorithm_of_no_key_verifies_nothing(algorithm: str) -> None:
    token = parse_compact(compact({"alg": algorithm}, {}, b""))
    with pytest.raises(UntrustedToken, match="does not fit"):
        verify_signature(token, PublicKey.from_jwk(jwk(rsa_key())), algorithm=algorithm)


@pytest.mark.parametrize("crit", [["b64"], [], 5, None, "b64", {}])
@pytest.mark.parametrize("more", [{}, {"b64": False}])
def test_critical_extensions_are_not_understood(crit: object, more: dict[str, Any]) -> None:
    token = parse_compact(signed(ec_key(), {"alg": "ES256", "crit": crit, **more}, {}))
    with pytest.raises(UntrustedToken, match="extensions"):
        verify_signature(token, PublicKey.from_jwk(jwk(ec_key())), algorithm="ES256")


HEADER_VALUES = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.text(max_size=4)
    | st.lists(st.text(max_size=2) | st.integers(), max_size=2)
    | st.dictionaries(st.text(max_size=2), st.integers(), max_size=2)
)
HEADER_NAMES = [
    "alg",
    "kid",
    "typ",
    "cty",
    "jku",
    "jwk",
    "x5u",
    "x5c",
    "x5t",
    "x5t#S256",
    "crit",
    "b64",
    "zip",
    "enc",
]


@given(st.dictionaries(st.sampled_from(HEADER_NAMES) | st.text(max_size=2), HEADER_VALUES))
def test_no_header_raises_anything_else(header: dict[str, Any]) -> None:
    data = f"{encoded(header)}.{encoded({})}".encode()
    token = parse_compact(compact(header, {}, signature(ec_key(), "ES256", data)))
    with pytest.raises(UntrustedToken):
        verify_signature(token, PublicKey.from_jwk(jwk(ec_key(2))), algorithm="ES256")
