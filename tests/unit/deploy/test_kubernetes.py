"""The Kubernetes manifests agree with the configuration that they carry, and with themselves."""

from __future__ import annotations

from pathlib import Path, PurePosixPath
from typing import Any

import pytest
import yaml

from spire_bridge.cli.main import build_parser
from spire_bridge.config.yaml import parse
from spire_bridge.listen.address import ListenAddress
from spire_bridge.service.settings.serve import ServeSettings
from spire_bridge.workload.address import EndpointAddress

FILE = Path(__file__).parents[3] / "deploy" / "kubernetes" / "issuer.yaml"


@pytest.fixture(scope="module")
def objects() -> dict[str, Any]:
    """The manifests by kind, of which there is one each."""
    documents = list(yaml.safe_load_all(FILE.read_text()))
    by_kind = {document["kind"]: document for document in documents}
    assert len(by_kind) == len(documents)
    return by_kind


@pytest.fixture(scope="module")
def settings(objects: dict[str, Any]) -> ServeSettings:
    text: str = objects["ConfigMap"]["data"]["issuer.yaml"]
    return parse(text.encode(), ServeSettings, name="ConfigMap")


@pytest.fixture(scope="module")
def pod(objects: dict[str, Any]) -> Any:
    return objects["Deployment"]["spec"]["template"]["spec"]


@pytest.fixture(scope="module")
def container(pod: Any) -> Any:
    [only] = pod["containers"]
    return only


def test_everything_is_in_the_namespace(objects: dict[str, Any]) -> None:
    name = objects["Namespace"]["metadata"]["name"]
    others = [o["metadata"] for kind, o in objects.items() if kind != "Namespace"]
    assert {metadata["namespace"] for metadata in others} == {name}


def test_the_ports_are_those_of_the_configuration(container: Any, settings: ServeSettings) -> None:
    ports = {port["name"]: port["containerPort"] for port in container["ports"]}
    places = {"http": settings.listen.place(), "health": settings.health.place()}
    assert {name: ListenAddress("0.0.0.0", port) for name, port in ports.items()} == places


def test_probes_ask_the_health_listener(container: Any) -> None:
    probes = {kind: container[f"{kind}Probe"]["httpGet"] for kind in ("liveness", "readiness")}
    assert probes == {
        "liveness": {"path": "/livez", "port": "health"},
        "readiness": {"path": "/readyz", "port": "health"},
    }


def test_the_service_and_the_policy_name_ports_of_the_container(
    objects: dict[str, Any], container: Any
) -> None:
    [service_port] = objects["Service"]["spec"]["ports"]
    assert service_port["targetPort"] == "http"
    rules = objects["NetworkPolicy"]["spec"]["ingress"]
    allowed = [port["port"] for rule in rules for port in rule["ports"]]
    assert sorted(allowed) == sorted(port["name"] for port in container["ports"])


def test_every_selector_selects_the_pods(objects: dict[str, Any]) -> None:
    labels = objects["Deployment"]["spec"]["template"]["metadata"]["labels"]
    spread = objects["Deployment"]["spec"]["template"]["spec"]["topologySpreadConstraints"]
    assert objects["Service"]["spec"]["selector"] == labels
    assert objects["NetworkPolicy"]["spec"]["podSelector"]["matchLabels"] == labels
    for selector in (
        objects["Deployment"]["spec"]["selector"],
        objects["PodDisruptionBudget"]["spec"]["selector"],
        *(constraint["labelSelector"] for constraint in spread),
    ):
        assert selector["matchLabels"] == labels


def test_what_the_configuration_opens_is_mounted(
    pod: Any, container: Any, settings: ServeSettings
) -> None:
    mounts = {m["mountPath"]: m.get("readOnly", False) for m in container["volumeMounts"]}
    assert {m["name"] for m in container["volumeMounts"]} == {v["name"] for v in pod["volumes"]}
    [source] = settings.sources
    assert source.workload_api is not None
    EndpointAddress.parse(source.workload_api.address)
    socket = PurePosixPath(source.workload_api.address.removeprefix("unix://"))
    assert mounts[str(socket.parent)] is True
    assert settings.last_good.path is not None
    assert mounts[str(PurePosixPath(settings.last_good.path).parent)] is False


def test_what_the_process_makes_itself_has_a_place(pod: Any, container: Any) -> None:
    """The root is read-only, and a unix socket needs a short path."""
    [volume] = [m["name"] for m in container["volumeMounts"] if m["mountPath"] == "/tmp"]
    assert [v["emptyDir"]["medium"] for v in pod["volumes"] if v["name"] == volume] == ["Memory"]


def test_the_pod_has_the_time_to_leave(pod: Any, container: Any, settings: ServeSettings) -> None:
    program, seconds = container["lifecycle"]["preStop"]["exec"]["command"]
    assert program == "sleep"
    drain = settings.listen.drain_seconds + settings.health.drain_seconds
    assert pod["terminationGracePeriodSeconds"] >= int(seconds) + 2 * drain


def test_the_container_runs_serve_with_the_mounted_file(
    objects: dict[str, Any], container: Any
) -> None:
    arguments = build_parser().parse_args(container["args"])
    mount = next(m["mountPath"] for m in container["volumeMounts"] if m["name"] == "config")
    assert str(arguments.config.parent) == mount
    assert arguments.config.name in objects["ConfigMap"]["data"]


def test_the_pod_keeps_to_the_restricted_profile(
    objects: dict[str, Any], pod: Any, container: Any
) -> None:
    labels = objects["Namespace"]["metadata"]["labels"]
    assert labels["pod-security.kubernetes.io/enforce"] == "restricted"
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert pod["automountServiceAccountToken"] is False
    kinds = {kind for volume in pod["volumes"] for kind in volume if kind != "name"}
    assert kinds <= {"configMap", "csi", "emptyDir"}


def test_a_pod_can_be_lost(objects: dict[str, Any]) -> None:
    replicas = objects["Deployment"]["spec"]["replicas"]
    assert 0 < objects["PodDisruptionBudget"]["spec"]["minAvailable"] < replicas
