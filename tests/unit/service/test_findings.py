"""Warnings of what verifiers will refuse."""

from __future__ import annotations

import logging

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from spire_bridge.issuer.documents import Documents
from spire_bridge.issuer.key_set import KeySet
from spire_bridge.issuer.url import IssuerUrl
from spire_bridge.jose.public_key import PublicKey
from spire_bridge.service.findings import KeySetFindings, warn_of_refusals
from spire_bridge.spiffe.jwt_bundle import JwtAuthority

ISSUER = IssuerUrl.parse("https://issuer.example.org:8443")
KEY = PublicKey.from_cryptography(ec.generate_private_key(ec.SECP256R1()).public_key())


def warned(caplog: pytest.LogCaptureFixture) -> list[str]:
    """The verifiers that were warned of since the last look."""
    verifiers = [record.verifier for record in caplog.records]  # type: ignore[attr-defined]
    caplog.clear()
    return verifiers


def test_a_url_that_a_verifier_refuses(caplog: pytest.LogCaptureFixture) -> None:
    warn_of_refusals(ISSUER)

    assert warned(caplog) == ["AWS"]


def test_each_finding_is_told_once_while_it_holds(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING)
    findings = KeySetFindings()

    def note(*key_ids: str) -> list[str]:
        key_set = KeySet(tuple(JwtAuthority(key_id, KEY) for key_id in key_ids))
        findings.note(key_set, Documents.of(ISSUER, key_set))
        return warned(caplog)

    assert note("a") == ["Entra"]
    assert note("a", "b") == []
    assert note() == []
    assert note("b") == ["Entra"]
