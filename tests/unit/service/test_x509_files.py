"""An X.509 context as files."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from credential_material import OTHER, x509_context

from spire_bridge.service.x509_files import write_x509_context
from spire_bridge.spiffe.errors import InvalidBundle
from spire_bridge.workload.messages import BundleSet


def test_each_svid_has_its_files(tmp_path: Path) -> None:
    context = x509_context(federated=True)
    written = {path.name: path.read_bytes() for path in write_x509_context(context, tmp_path)}
    svid = context.default_svid
    assert written == {
        "svid.0.key": svid.private_key_pem(),
        "svid.0.pem": svid.chain_pem(),
        "bundle.0.pem": context.bundles[svid.spiffe_id.trust_domain].pem(),
        "federated_bundle.other.example.pem": context.bundles[OTHER].pem(),
    }


def test_an_own_bundle_that_was_refused_is_said(tmp_path: Path) -> None:
    context = x509_context()
    own = context.default_svid.spiffe_id.trust_domain
    without = replace(context, bundles=BundleSet({}, {own: InvalidBundle("not DER")}))
    with pytest.raises(InvalidBundle, match="not DER"):
        list(write_x509_context(without, tmp_path))
    assert not list(tmp_path.iterdir())
