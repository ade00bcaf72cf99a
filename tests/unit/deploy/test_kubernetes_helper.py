"""The helper's manifests: what it writes is where the program looks, and may be read there."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Any

import pytest
import yaml

from spire_bridge.cli.main import build_parser
from spire_bridge.config.yaml import parse
from spire_bridge.listen.address import ListenAddress
from spire_bridge.service.settings.helper import HelperSettings

FOLDER = Path(__file__).parents[3] / "deploy" / "kubernetes"
NAMES = ("helper-sidecar", "helper-init-container", "helper-native-sidecar")
GROUP_READS = 0o040
OTHERS = 0o007


@pytest.fixture(scope="module", params=NAMES)
def objects(request: pytest.FixtureRequest) -> dict[str, Any]:
    """The manifests by kind, of which there is one each."""
    documents = list(yaml.safe_load_all((FOLDER / f"{request.param}.yaml").read_text()))
    by_kind = {document["kind"]: document for document in documents}
    assert len(by_kind) == len(documents)
    return {**by_kind, "name": request.param}


@pytest.fixture(scope="module")
def pod(objects: dict[str, Any]) -> Any:
    return objects["Deployment"]["spec"]["template"]["spec"]


@pytest.fixture(scope="module")
def containers(pod: Any) -> dict[str, Any]:
    both = [*pod.get("initContainers", ()), *pod["containers"]]
    return {container["name"]: container for container in both}


@pytest.fixture(scope="module")
def settings(objects: dict[str, Any]) -> HelperSettings:
    text: str = objects["ConfigMap"]["data"]["helper.yaml"]
    return parse(text.encode(), HelperSettings, name="ConfigMap")


def written(settings: HelperSettings) -> Iterator[tuple[PurePosixPath, int]]:
    """Each file with its mode."""
    for output in settings.outputs:
        for file in output.all_files():
            yield PurePosixPath(output.folder or "/") / file.path, file.mode_bits()


def mounts(container: Any) -> dict[PurePosixPath, tuple[str, bool]]:
    """What is mounted where, and whether it can be written to."""
    return {
        PurePosixPath(mount["mountPath"]): (mount["name"], not mount.get("readOnly", False))
        for mount in container["volumeMounts"]
    }


def volume_of(path: PurePosixPath, container: Any) -> tuple[str, bool]:
    mounted = mounts(container)
    return next(mounted[parent] for parent in path.parents if parent in mounted)


def test_every_file_is_in_a_volume_that_the_program_reads(
    settings: HelperSettings, containers: dict[str, Any]
) -> None:
    for path, _ in written(settings):
        volume, writable = volume_of(path, containers["helper"])
        assert writable, path
        assert volume_of(path, containers["ledger"]) == (volume, False), path
        points = [mounts(c) for c in containers.values()]
        at = {point for mounted in points for point, (name, _) in mounted.items() if name == volume}
        assert len(at) == 1, "the same path in both"


def test_the_program_may_read_every_file_and_others_no_key(
    settings: HelperSettings, pod: Any, containers: dict[str, Any]
) -> None:
    users = {c["securityContext"]["runAsUser"] for c in containers.values()}
    assert len(users) == len(containers)
    assert 0 not in users
    group = pod["securityContext"]["fsGroup"]
    assert containers["helper"]["securityContext"]["runAsGroup"] == group
    for path, mode in written(settings):
        assert mode & GROUP_READS, path
        if path.suffix != ".pem":
            assert not mode & OTHERS, path
    for folder in settings.folders:
        assert int(folder.mode, 8) & 0o050 == 0o050, folder


def test_what_the_program_is_told_is_written(
    settings: HelperSettings, containers: dict[str, Any]
) -> None:
    values = [variable["value"] for variable in containers["ledger"]["env"]]
    told = {PurePosixPath(value) for value in values if value.startswith("/")}
    assert told == {path for path, _ in written(settings)}


def test_the_agents_socket_is_that_of_the_csi_driver(
    settings: HelperSettings, pod: Any, containers: dict[str, Any]
) -> None:
    assert settings.workload_api.address is not None
    socket = PurePosixPath(settings.workload_api.address.removeprefix("unix://"))
    volume, writable = volume_of(socket, containers["helper"])
    assert not writable
    [source] = [v["csi"] for v in pod["volumes"] if v["name"] == volume]
    assert source == {"driver": "csi.spiffe.io", "readOnly": True}
    assert volume not in {name for name, _ in mounts(containers["ledger"]).values()}


def test_keys_stay_in_memory(pod: Any, containers: dict[str, Any]) -> None:
    writable = {name for c in containers.values() for name, writes in mounts(c).values() if writes}
    for volume in pod["volumes"]:
        if volume["name"] in writable:
            assert volume["emptyDir"]["medium"] == "Memory"
    used = {name for c in containers.values() for name, _ in mounts(c).values()}
    assert used == {volume["name"] for volume in pod["volumes"]}


def test_the_helper_is_run_with_the_mounted_file(
    objects: dict[str, Any], containers: dict[str, Any]
) -> None:
    arguments = build_parser().parse_args(containers["helper"]["args"])
    mounted = mounts(containers["helper"])
    assert mounted[PurePosixPath(arguments.config.parent)] == ("config", False)
    assert arguments.config.name in objects["ConfigMap"]["data"]
    assert (arguments.daemon_mode is False) is (objects["name"] == "helper-init-container")


def test_each_way_starts_the_helper_where_it_belongs(objects: dict[str, Any], pod: Any) -> None:
    before = pod.get("initContainers", [])
    assert [c["name"] for c in before] == (
        [] if objects["name"] == "helper-sidecar" else ["helper"]
    )
    policies = [container.get("restartPolicy") for container in before]
    native = objects["name"] == "helper-native-sidecar"
    assert policies == {"helper-sidecar": []}.get(objects["name"], ["Always" if native else None])


def test_probes_ask_the_health_listener(
    objects: dict[str, Any], settings: HelperSettings, containers: dict[str, Any]
) -> None:
    helper = containers["helper"]
    probes = {
        name: probe["httpGet"]["path"] for name, probe in helper.items() if name.endswith("Probe")
    }
    if objects["name"] == "helper-init-container":
        assert (probes, settings.health) == ({}, None)
        return
    wanted = {"livenessProbe": "/livez", "readinessProbe": "/readyz"}
    if objects["name"] == "helper-native-sidecar":
        wanted["startupProbe"] = "/readyz"
    assert probes == wanted
    [port] = helper["ports"]
    assert settings.health is not None
    assert settings.health.place() == ListenAddress("0.0.0.0", port["containerPort"])
    assert {helper[probe]["httpGet"]["port"] for probe in probes} == {port["name"]}


def test_the_pod_keeps_to_the_restricted_profile(
    objects: dict[str, Any], pod: Any, containers: dict[str, Any]
) -> None:
    labels = objects["Namespace"]["metadata"]["labels"]
    assert labels["pod-security.kubernetes.io/enforce"] == "restricted"
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert pod["automountServiceAccountToken"] is False
    for container in containers.values():
        context = container["securityContext"]
        assert context["allowPrivilegeEscalation"] is False
        assert context["readOnlyRootFilesystem"] is True
        assert context["capabilities"] == {"drop": ["ALL"]}
        assert "memory" in container["resources"]["limits"]
        assert set(container["resources"]["requests"]) == {"cpu", "memory"}


def test_the_manifests_differ_only_in_how_the_helper_runs() -> None:
    programs, configurations = [], []
    for name in NAMES:
        documents = list(yaml.safe_load_all((FOLDER / f"{name}.yaml").read_text()))
        by_kind = {document["kind"]: document for document in documents}
        programs.append(by_kind["Deployment"]["spec"]["template"]["spec"]["containers"][-1])
        configuration = yaml.safe_load(by_kind["ConfigMap"]["data"]["helper.yaml"])
        configurations.append({k: v for k, v in configuration.items() if k != "health"})
    assert programs[0] == programs[1] == programs[2]
    assert configurations[0] == configurations[1] == configurations[2]
