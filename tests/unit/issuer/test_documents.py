"""The documents: equal bundles give equal bytes, whoever makes them."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Mapping
from itertools import permutations

import pytest

from spire_bridge.issuer.documents import Documents
from spire_bridge.issuer.key_set import KeySet
from spire_bridge.issuer.url import IssuerUrl
from spire_bridge.spiffe.id import TrustDomain
from spire_bridge.spiffe.jwt_bundle import JwtAuthority, JwtBundle

HOME = TrustDomain.parse("example.org")
ISSUER = IssuerUrl.parse("https://issuer.example.org/spire")

PROGRAM = """
import sys
from spire_bridge.issuer.documents import Documents
from spire_bridge.issuer.key_set import KeySet
from spire_bridge.issuer.url import IssuerUrl
from spire_bridge.spiffe.id import TrustDomain
from spire_bridge.spiffe.jwt_bundle import JwtBundle

bundle = JwtBundle.from_jwk_set(TrustDomain.parse("example.org"), sys.stdin.buffer.read())
url = IssuerUrl.parse("https://issuer.example.org/spire")
documents = Documents.of(url, KeySet.from_bundle(bundle, 0))
for document in (documents.discovery, documents.jwks):
    print(document.etag, document.body.hex())
"""


def documents(*authorities: JwtAuthority, issuer: IssuerUrl = ISSUER) -> Documents:
    return Documents.of(issuer, KeySet.from_bundle(JwtBundle.of(HOME, authorities), 0))


def test_the_order_of_the_keys_does_not_matter(authorities: Mapping[str, JwtAuthority]) -> None:
    made = {documents(*order) for order in permutations(authorities.values())}
    assert len(made) == 1


def test_two_processes_make_the_same_bytes(authorities: Mapping[str, JwtAuthority]) -> None:
    keys = [{**a.key.to_jwk(), "kid": a.key_id} for a in authorities.values()]
    backwards = [dict(reversed(key.items())) for key in reversed(keys)]
    made = {
        subprocess.run(
            [sys.executable, "-c", PROGRAM],
            input=json.dumps({"keys": order}).encode(),
            env={**os.environ, "PYTHONHASHSEED": seed},
            stdout=subprocess.PIPE,
            check=True,
        ).stdout
        for order, seed in ((keys, "1"), (backwards, "2"))
    }
    assert len(made) == 1
    here = documents(*authorities.values())
    assert made.pop().decode().split() == [
        here.discovery.etag,
        here.discovery.body.hex(),
        here.jwks.etag,
        here.jwks.body.hex(),
    ]


def test_a_tag_is_strong_and_changes_with_the_bytes_alone(
    authorities: Mapping[str, JwtAuthority],
) -> None:
    one, two = documents(authorities["RS256"]), documents(authorities["ES256"])
    for document in (one.discovery, one.jwks):
        assert document.etag == f'"{hashlib.sha256(document.body).hexdigest()[:32]}"'
    assert one.jwks.etag != two.jwks.etag
    assert one.discovery.etag != two.discovery.etag  # it lists the algorithms
    assert one == documents(authorities["RS256"])


def test_a_rotation_within_one_algorithm_leaves_the_discovery_document(
    authorities: Mapping[str, JwtAuthority],
) -> None:
    old = authorities["RS256"]
    new = JwtAuthority("new", old.key)
    assert documents(old).discovery == documents(old, new).discovery == documents(new).discovery


def test_discovery_says_what_verifiers_insist_on(
    authorities: Mapping[str, JwtAuthority],
) -> None:
    discovery = json.loads(documents(authorities["RS256"], authorities["ES256"]).discovery.body)
    assert discovery == {
        "issuer": "https://issuer.example.org/spire",
        "jwks_uri": "https://issuer.example.org/spire/keys",
        "authorization_endpoint": "",
        "response_types_supported": ["id_token"],
        "subject_types_supported": ["public"],
        "id_token_signing_alg_values_supported": ["ES256", "RS256"],
        "claims_supported": ["iss", "sub", "aud", "exp", "iat"],
    }


def test_an_empty_set_still_has_both_documents() -> None:
    empty = documents()
    assert json.loads(empty.jwks.body) == {"keys": []}
    discovery = json.loads(empty.discovery.body)
    assert discovery["id_token_signing_alg_values_supported"] == ["RS256"]


@pytest.mark.parametrize(
    "issuer", ["https://a.example", "https://a.example/", "https://a.example/b/"]
)
def test_the_issuer_stands_as_it_was_configured(issuer: str) -> None:
    discovery = json.loads(documents(issuer=IssuerUrl.parse(issuer)).discovery.body)
    assert discovery["issuer"] == issuer
    assert discovery["jwks_uri"] == f"{issuer.rstrip('/')}/keys"


def test_a_set_of_three_hundred_keys_fits_what_most_verifiers_read(
    authorities: Mapping[str, JwtAuthority],
) -> None:
    key = authorities["RS256"].key
    many = [JwtAuthority(f"key-{number}", key) for number in range(300)]
    body = documents(*many).jwks.body
    assert len(json.loads(body)["keys"]) == 300
    assert len(body) < 256 * 1024
