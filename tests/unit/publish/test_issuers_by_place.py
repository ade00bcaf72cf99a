"""Several issuers behind one listener."""

from __future__ import annotations

import json

import pytest

from spire_bridge.issuer.documents import Documents
from spire_bridge.issuer.key_set import KeySet
from spire_bridge.issuer.url import IssuerUrl
from spire_bridge.listen.http import Request
from spire_bridge.publish.issuers_by_place import IssuersByPlace
from spire_bridge.publish.routes import IssuerRoutes

WELL_KNOWN = "/.well-known/openid-configuration"


def at(*urls: str, path: str | None = None) -> IssuersByPlace:
    issuers = []
    for url in map(IssuerUrl.parse, urls):
        routes = IssuerRoutes(url, path=path)
        routes.show(Documents.of(url, KeySet(())))
        issuers.append(routes)
    return IssuersByPlace(issuers, host_of=lambda request: request.headers.get("host", ""))


def ask(issuers: IssuersByPlace, path: str, host: str) -> str | int:
    """The issuer in the answer, or its status."""
    answer = issuers(Request("GET", path, {"host": host}))
    if answer.status != 200:
        return answer.status
    return str(json.loads(answer.body)["issuer"])


@pytest.mark.parametrize("host", ["a.example", "evil.example", "A.EXAMPLE:1", ""])
def test_an_issuer_that_has_its_path_for_itself_answers_whatever_the_host(host: str) -> None:
    issuers = at("https://a.example", "https://a.example/east", "https://b.example/west")
    assert ask(issuers, WELL_KNOWN, host) == "https://a.example"
    assert ask(issuers, "/east" + WELL_KNOWN, host) == "https://a.example/east"
    assert ask(issuers, "/west" + WELL_KNOWN, host) == "https://b.example/west"
    assert ask(issuers, "/north" + WELL_KNOWN, host) == 404


def test_issuers_that_share_a_path_are_told_apart_by_host() -> None:
    issuers = at("https://a.example", "https://b.example", "https://c.example:8443")
    assert ask(issuers, WELL_KNOWN, "a.example") == "https://a.example"
    assert ask(issuers, WELL_KNOWN, "b.example") == "https://b.example"
    assert ask(issuers, WELL_KNOWN, "c.example:8443") == "https://c.example:8443"
    for stranger in ("c.example", "evil.example", ""):
        assert ask(issuers, WELL_KNOWN, stranger) == 421
        assert ask(issuers, "/keys", stranger) == 421


def test_the_path_may_be_another_than_the_issuers() -> None:
    issuers = at("https://a.example/public/name", path="/internal/")
    assert ask(issuers, "/internal" + WELL_KNOWN, "x") == "https://a.example/public/name"
    assert ask(issuers, "/public/name" + WELL_KNOWN, "x") == 404
