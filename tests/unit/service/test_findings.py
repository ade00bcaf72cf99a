"""Warnings of what verifiers will refuse."""

from __future__ import annotations

import logging

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from spire_bridge.issuer.url import IssuerUrl
from spire_bridge.jose.public_key import PublicKey
from spire_bridge.service.issuing.edition import Edition
from spire_bridge.service.issuing.findings import Findings
from spire_bridge.service.settings.issuer import IssuerSettings
from spire_bridge.spiffe.bundle import Bundle
from spire_bridge.spiffe.id import TrustDomain
from spire_bridge.spiffe.jwt_bundle import JwtAuthority, JwtBundle
from spire_bridge.spiffe.x509_bundle import X509Bundle

URL = "https://issuer.example.org:8443"
ISSUER = IssuerUrl.parse(URL)
HOME = TrustDomain("example.org")
KEY = PublicKey.from_cryptography(ec.generate_private_key(ec.SECP256R1()).public_key())


def edition(*key_ids: str) -> Edition:
    keys = JwtBundle.of(HOME, (JwtAuthority(key_id, KEY) for key_id in key_ids))
    return Edition.of(IssuerSettings(url=URL), Bundle(HOME, keys, X509Bundle(HOME)), now=0)


def warned(caplog: pytest.LogCaptureFixture) -> list[str]:
    """The verifiers that were warned of since the last look."""
    verifiers = [record.verifier for record in caplog.records]  # type: ignore[attr-defined]
    caplog.clear()
    return verifiers


def test_a_url_that_a_verifier_refuses(caplog: pytest.LogCaptureFixture) -> None:
    findings = Findings("example.org", [ISSUER])

    assert warned(caplog) == [finding.verifier for finding in findings.current] == ["AWS"]


def test_each_finding_is_told_once_while_it_holds(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING)
    findings = Findings("example.org", [ISSUER])
    caplog.clear()

    def note(*key_ids: str) -> list[str]:
        findings.note(edition(*key_ids))
        return warned(caplog)

    assert note("a") == ["Entra"]
    assert note("a", "b") == []
    assert {finding.verifier for finding in findings.current} == {"AWS", "Entra"}
    assert note() == []
    assert note("b") == ["Entra"]
