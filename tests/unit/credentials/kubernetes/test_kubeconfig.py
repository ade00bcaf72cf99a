"""Kubeconfigs: what they say, and that they hold no secret."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from spire_bridge.credentials.kubernetes.errors import InvalidKubeconfig
from spire_bridge.credentials.kubernetes.kubeconfig import Kubeconfig

SERVER = "https://kubernetes.example:6443"


def read(**options: Any) -> Any:
    told = {"command": "spire-bridge", "arguments": ("credential", "kubernetes"), **options}
    return yaml.safe_load(Kubeconfig(SERVER, **told)())


def test_a_cluster_whose_user_is_the_workload() -> None:
    config = read(certificate_authority=Path("/ca.pem"), audience="east", namespace="shop")
    [cluster], [user], [context] = config["clusters"], config["users"], config["contexts"]
    assert cluster["cluster"]["server"] == SERVER
    assert cluster["cluster"]["certificate-authority"] == "/ca.pem"
    [extension] = cluster["cluster"]["extensions"]
    assert extension == {
        "name": "client.authentication.k8s.io/exec",
        "extension": {"audience": "east"},
    }
    plugin = user["user"]["exec"]
    assert plugin["apiVersion"] == "client.authentication.k8s.io/v1"
    assert plugin["interactiveMode"] == "Never"
    assert plugin["provideClusterInfo"] is True
    assert [plugin["command"], *plugin["args"]] == ["spire-bridge", "credential", "kubernetes"]
    assert config["current-context"] == context["name"]
    assert context["context"] == {
        "cluster": cluster["name"],
        "user": user["name"],
        "namespace": "shop",
    }


def test_what_is_not_said_is_not_written() -> None:
    config = read()
    assert config["clusters"][0]["cluster"] == {"server": SERVER}
    assert "namespace" not in config["contexts"][0]["context"]


def test_the_authority_is_found_from_everywhere() -> None:
    file = Path("ca.pem")
    written = read(certificate_authority=file)["clusters"][0]["cluster"]["certificate-authority"]
    assert Path(written).is_absolute()


@pytest.mark.parametrize(
    "server",
    ["", "kubernetes:6443", "http://kubernetes:8080", "https://", "https://k:0", "https://["],
)
def test_servers_that_a_token_is_not_sent_to(server: str) -> None:
    with pytest.raises(InvalidKubeconfig):
        Kubeconfig(server, "spire-bridge", ())
