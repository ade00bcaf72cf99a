"""The reference's behaviour, row by row, without a server."""

from __future__ import annotations

import json
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from spire_bridge.issuer.key_set import KeySet
from spire_bridge.jose.public_key import PublicKey
from spire_bridge.listen.http import Request, Response
from spire_bridge.publish.domain_policy import DomainPolicy, DomainRefused
from spire_bridge.publish.odp_routes import OdpRoutes, OdpRules
from spire_bridge.spiffe.jwt_bundle import JwtAuthority

WELL_KNOWN = "/.well-known/openid-configuration"
P = ("domain.test", "xn--n38h.test")
PATH = "/some/issuer/path/issuer1"


def rules(*domains: str, **options: Any) -> OdpRules:
    return OdpRules(DomainPolicy.of(domains or P), **options)


def authority(key: ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey, name: str) -> JwtAuthority:
    return JwtAuthority(name, PublicKey.from_cryptography(key.public_key()))


P256 = authority(ec.generate_private_key(ec.SECP256R1()), "b")
P384 = authority(ec.generate_private_key(ec.SECP384R1()), "a")


def ask(
    routes: OdpRoutes, path: str, host: str = "domain.test", method: str = "GET", **headers: str
) -> Response:
    fields = {name.replace("_", "-"): value for name, value in headers.items()}
    return routes(Request(method, path, {"host": host, **fields}, path))


def discovery(options: OdpRules, host: str = "domain.test", **headers: str) -> tuple[str, str]:
    """The issuer and the jwks_uri."""
    prefix = options.path_prefix.rstrip("/")
    answer = ask(OdpRoutes(options), prefix + WELL_KNOWN, host, **headers)
    assert answer.status == 200
    document = json.loads(answer.body)
    return document["issuer"], document["jwks_uri"]


@pytest.mark.parametrize("path", ["/keys", WELL_KNOWN])
@pytest.mark.parametrize("method", ["PUT", "POST", "OPTIONS"])
def test_other_methods_are_refused(path: str, method: str) -> None:
    answer = ask(OdpRoutes(rules()), path, method=method)
    assert (answer.status, answer.body) == (405, b"method not allowed\n")


def test_keys_before_the_first_answer_of_the_source() -> None:
    answer = ask(OdpRoutes(rules()), "/keys")
    assert (answer.status, answer.body) == (500, b"document not available\n")


def test_zero_keys() -> None:
    routes = OdpRoutes(rules())
    routes.show(KeySet(()))
    answer = ask(routes, "/keys")
    assert (answer.status, answer.body) == (501, b"jwt not supported/enabled in this service\n")


@pytest.mark.parametrize("use", [False, True])
def test_keys_have_their_algorithm_and_their_use_on_demand(use: bool) -> None:
    routes = OdpRoutes(rules())
    routes.show(KeySet((P384, P256), "sig" if use else None))
    answer = ask(routes, "/keys", host="any.test")
    keys = json.loads(answer.body)["keys"]
    assert [(key["kid"], key["alg"]) for key in keys] == [("a", "ES384"), ("b", "ES256")]
    assert [key.get("use") for key in keys] == ["sig" if use else None] * 2
    names = ["use"] * use + ["kty", "kid", "crv", "alg", "x", "y"]
    assert list(keys[0]) == names
    assert ("access-control-allow-origin", "*") in answer.headers


def test_the_algorithms_are_those_of_the_keys() -> None:
    routes = OdpRoutes(rules())
    routes.show(KeySet((P384, P256)))
    document = json.loads(ask(routes, WELL_KNOWN).body)
    assert document["id_token_signing_alg_values_supported"] == ["ES256", "ES384"]
    assert document["authorization_endpoint"] == ""


@pytest.mark.parametrize(
    ("options", "host", "issuer"),
    [
        (rules("localhost", "domain.test"), "localhost", "https://localhost"),
        (rules("localhost", allow_insecure_scheme=True), "localhost", "http://localhost"),
        (
            rules("localhost", allow_insecure_scheme=True, tls=True),
            "localhost",
            "https://localhost",
        ),
        (rules(), "domain.test", "https://domain.test"),
        (rules(), "xn--n38h.test", "https://xn--n38h.test"),
        (rules(), "domain.test:8080", "https://domain.test:8080"),
        (rules(path_prefix="/"), "domain.test", "https://domain.test"),
    ],
)
def test_the_issuer_is_the_host(options: OdpRules, host: str, issuer: str) -> None:
    assert discovery(options, host) == (issuer, issuer + "/keys")


@pytest.mark.parametrize(
    ("options", "issuer", "keys"),
    [
        ({"jwt_issuer": "https://domain.test" + PATH}, None, f"https://domain.test{PATH}/keys"),
        ({"jwt_issuer": "http://domain.test" + PATH}, None, f"http://domain.test{PATH}/keys"),
        (
            {"jwt_issuer": f"https://domain.test{PATH}/"},
            None,
            f"https://domain.test{PATH}/keys",
        ),
        ({"jwt_issuer": "http://domain.test"}, None, "http://domain.test/keys"),
        ({"jwt_issuer": "http://domain.test/"}, None, "http://domain.test/keys"),
        (
            {"jwt_issuer": "http://domain.test/a", "jwks_uri": "http://other.test/keys"},
            None,
            "http://other.test/keys",
        ),
        ({"jwks_uri": "http://other.test/keys"}, "https://domain.test", "http://other.test/keys"),
        ({"path_prefix": PATH}, "https://domain.test" + PATH, f"https://domain.test{PATH}/keys"),
        (
            {"path_prefix": PATH + "/"},
            f"https://domain.test{PATH}/",
            f"https://domain.test{PATH}/keys",
        ),
    ],
)
def test_the_options_decide(options: dict[str, str], issuer: str | None, keys: str) -> None:
    assert discovery(rules(**options)) == (issuer or options["jwt_issuer"], keys)


def test_a_host_that_is_not_allowed() -> None:
    answer = ask(OdpRoutes(rules()), WELL_KNOWN, "bad.domain.test")
    assert (answer.status, answer.body) == (400, b'domain "bad.domain.test" is not allowed\n')
    answer = ask(OdpRoutes(rules(jwt_issuer="https://domain.test")), WELL_KNOWN, "evil.test")
    assert answer.status == 400


def test_a_proxy_tells_the_host_and_the_scheme() -> None:
    told = {"x_forwarded_host": "domain.test", "x_forwarded_scheme": "https"}
    options = rules(allow_insecure_scheme=True)
    assert discovery(options, "localhost", **told)[0] == "https://domain.test"
    assert discovery(options, forwarded="for=1.2.3.4;proto=HTTPS")[0] == "https://domain.test"
    assert discovery(options, forwarded='proto="https"')[0] == "http://domain.test"
    assert discovery(options, x_forwarded_proto="https,http")[0] == "http://domain.test"


def test_the_host_of_an_absolute_target_counts() -> None:
    routes = OdpRoutes(rules())
    answer = ask(routes, "https://evil.test" + WELL_KNOWN)
    assert answer.status == 400
    assert ask(routes, "https://domain.test" + WELL_KNOWN, "evil.test").status == 200


@pytest.mark.parametrize(
    ("target", "location"),
    [
        ("//keys", "/keys"),
        ("/./keys?a=<b>", "/keys?a=<b>"),
        ("/a/../keys/", "/keys/"),
        ("//%6beys", "/%6beys"),
    ],
)
def test_an_unclean_path_is_sent_to_the_clean_one(target: str, location: str) -> None:
    answer = ask(OdpRoutes(rules()), target)
    assert (answer.status, dict(answer.headers)["location"]) == (307, location)
    assert b"<b>" not in answer.body


@pytest.mark.parametrize("path", ["/", "/keys/", "/KEYS", "/.well-known%2fopenid-configuration"])
def test_what_is_not_there(path: str) -> None:
    answer = ask(OdpRoutes(rules()), path)
    assert (answer.status, answer.body) == (404, b"404 page not found\n")


def test_a_prefix_without_a_slash_is_a_host_to_the_reference() -> None:
    assert ask(OdpRoutes(rules(path_prefix="some")), "/some/keys").status == 404


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("Domain.test", "must already be punycode encoded"),
        ("☃.test", "must already be punycode encoded"),
        ("a_b.test", "idna: disallowed rune U+005F"),
        ("-a.test", 'idna: invalid label "-a"'),
        ("ab--c.test", 'idna: invalid label "ab--c"'),
        ("xn--zz--.test", 'idna: invalid label "zz--"'),
    ],
)
def test_a_name_that_no_host_has(name: str, message: str) -> None:
    with pytest.raises(DomainRefused) as caught:
        DomainPolicy.of([name])
    assert message in caught.value.message
