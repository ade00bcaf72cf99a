"""What a client of Kubernetes tells its exec plugin, and the ExecCredential that it gets."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any

import pytest
from credential_material import jwt_svid, x509_context
from cryptography import x509
from hypothesis import given
from hypothesis import strategies as st

from spire_bridge.credentials.kubernetes.errors import InvalidExecInfo
from spire_bridge.credentials.kubernetes.exec_credential import (
    certificate_credential,
    token_credential,
)
from spire_bridge.credentials.kubernetes.exec_info import API_VERSIONS, ExecInfo

V1, V1BETA1 = API_VERSIONS
SERVER = "https://kubernetes.example:6443"


def info(config: Any = None, **changes: Any) -> str:
    cluster = {"server": SERVER, "certificate-authority-data": "LS0t", "config": config}
    told = {"kind": "ExecCredential", "apiVersion": V1}
    return json.dumps({**told, "spec": {"interactive": False, "cluster": cluster}, **changes})


def test_the_audience_is_the_clusters_then_the_named_one_then_the_server() -> None:
    configured = ExecInfo.parse(info({"audience": "east"}))
    assert configured.audience_or("named") == "east"
    plain = ExecInfo.parse(info())
    assert plain.audience_or("named") == "named"
    assert plain.audience_or(None) == SERVER


def test_a_persons_call_names_the_audience() -> None:
    assert ExecInfo.parse("").audience_or("named") == "named"
    with pytest.raises(InvalidExecInfo, match="which audience"):
        ExecInfo.parse("").audience_or(None)


def test_a_cluster_that_is_not_told() -> None:
    assert ExecInfo.parse(info(spec={"interactive": True})) == ExecInfo(V1)
    assert ExecInfo.parse(info(spec=None)) == ExecInfo(V1)


@pytest.mark.parametrize("version", API_VERSIONS)
def test_the_version_is_echoed(version: str) -> None:
    assert ExecInfo.parse(info(apiVersion=version)).api_version == version
    document = json.loads(token_credential(jwt_svid("a"), api_version=version))
    assert (document["kind"], document["apiVersion"]) == ("ExecCredential", version)


@pytest.mark.parametrize(
    "text",
    [
        "{",
        "[]",
        info(apiVersion="client.authentication.k8s.io/v1alpha1"),
        info(apiVersion="client.authentication.k8s.io/v2"),
        info(apiVersion="v1"),
        info(apiVersion=[V1]),
        info(apiVersion=None),
        info(kind="Config"),
        info(spec=[]),
        info(spec={"cluster": "east"}),
        info(spec={"cluster": {"server": 1}}),
        info(config=["audience"]),
        info(config={"audience": ["a", "b"]}),
        '{"kind": "\udc80"}',
    ],
)
def test_what_is_no_exec_info(text: str) -> None:
    with pytest.raises(InvalidExecInfo) as refused:
        ExecInfo.parse(text)
    assert refused.value.exit_status == 2


@given(st.text() | st.dictionaries(st.text(), st.text() | st.integers()).map(json.dumps))
def test_any_text_is_exec_info_or_an_error(text: str) -> None:
    if text:
        with pytest.raises(InvalidExecInfo):
            ExecInfo.parse(text)


def test_a_token_ends_a_little_before_it_does() -> None:
    svid = jwt_svid("a")
    status = json.loads(token_credential(svid, api_version=V1))["status"]
    assert status["token"] == svid.token
    end = datetime.fromisoformat(status["expirationTimestamp"])
    assert svid.expires_at - end.timestamp() == 10


def test_a_certificate_and_its_key() -> None:
    svid = x509_context(intermediate=True).default_svid
    status = json.loads(certificate_credential(svid, api_version=V1))["status"]
    chain = x509.load_pem_x509_certificates(status["clientCertificateData"].encode())
    assert tuple(chain) == svid.certificates
    assert status["clientKeyData"] == svid.private_key_pem().decode()
    assert "token" not in status
