"""What verifiers would refuse of an issuer that is live or saved."""

from __future__ import annotations

import json

import pytest
from forgery.tokens import ec_key, jwk

from spire_bridge.cloud.issuer_documents import IssuerDocuments
from spire_bridge.cloud.lint.issuer import lint_issuer
from spire_bridge.cloud.lint_finding import Severity

ISSUER = "https://issuer.example.org"


def documents(issuer: str = ISSUER) -> IssuerDocuments:
    keys = {"keys": [jwk(ec_key(1), kid="a")]}
    return IssuerDocuments.read(json.dumps({"issuer": issuer}).encode(), json.dumps(keys).encode())


def test_a_key_that_one_of_those_asked_refuses_is_an_error() -> None:
    (finding,) = lint_issuer(ISSUER, documents(), {"azure", "vault"})
    assert (finding.rule, finding.severity) == ("issuer-keys", Severity.ERROR)
    assert finding.message.startswith("Entra: it refuses tokens signed with ES256")
    (finding,) = lint_issuer(ISSUER, documents(), {"aws"})
    assert finding.severity is Severity.WARNING


def test_a_document_of_another_name() -> None:
    _, finding = lint_issuer(ISSUER, documents(f"{ISSUER}/"), ())
    assert (finding.rule, finding.severity) == ("issuer-spelling", Severity.ERROR)
    assert finding.message.endswith(f"the issuer is {ISSUER}/")


@pytest.mark.parametrize("url", ["http://example.org", "issuer", "https://a?b"])
def test_what_is_no_issuer_s_url(url: str) -> None:
    (finding,) = lint_issuer(url, documents(), ())
    assert (finding.rule, finding.place) == ("issuer-url", url)


def test_a_port_is_not_for_aws() -> None:
    found = list(lint_issuer(f"{ISSUER}:8443", IssuerDocuments(), {"aws"}))
    assert [(f.rule, f.severity) for f in found] == [("issuer-url", Severity.ERROR)]
