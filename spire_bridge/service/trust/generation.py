"""`trust generate`: files from a description, once they are known to do what it says."""

from __future__ import annotations

import difflib
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from spire_bridge.cloud.generate import aws, entra, google, kubernetes, vault, versions
from spire_bridge.cloud.generate.grant import Grant
from spire_bridge.cloud.generate.heading import MARK
from spire_bridge.cloud.generate.self_check import Checked, check
from spire_bridge.cloud.generate.workloads import Workloads
from spire_bridge.files.atomic import write_atomically
from spire_bridge.files.errors import FileFailure
from spire_bridge.files.reading import read_limited
from spire_bridge.service.settings.trust import TARGETS, Target, TrustSettings, WorkloadSettings

FILES: dict[Target, str] = {
    "aws": "aws.tf",
    "gcp": "gcp.tf",
    "azure": "azure.tf",
    "vault": "vault.tf",
    "kubernetes": "kubernetes.yaml",
}
VERSIONS = "versions.tf"

_MODE = 0o644  # nothing in them is secret
_MAX_BYTES = 16 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Generated:
    """The files by name, in their order; `stale` are those of targets that are no more.

    `checked` says how many tokens the verifiers' rules were asked about.
    """

    files: dict[str, str]
    stale: tuple[str, ...]
    checked: Checked


@dataclass(frozen=True, slots=True)
class Written:
    """Names of files, by what was done to them."""

    written: tuple[str, ...]
    unchanged: tuple[str, ...]
    removed: tuple[str, ...]


def generate(settings: TrustSettings, wanted: Collection[Target] = ()) -> Generated:
    """The files of the targets, of all that are described by default.

    Raises `InvalidTrust` for what a verifier has no room for, and `NotAsMeant`.
    """
    files, granted = render(settings, wanted)
    gone = [FILES[target] for target in TARGETS if target not in settings.targets()]
    stale = [] if wanted else [*gone, *{VERSIONS}.difference(files)]
    return Generated(files, tuple(stale), check(granted, settings.signing_algorithm))


def render(
    settings: TrustSettings, wanted: Collection[Target] = ()
) -> tuple[dict[str, str], list[Grant]]:
    """The files' texts, and what they grant. Raises `InvalidTrust`."""
    described = settings.targets()
    files: dict[str, str] = {}
    granted: list[Grant] = []
    for target in described:
        if target in wanted or not wanted:
            files[FILES[target]], grants = _of_target(settings, target)
            granted += grants
    if any(name.endswith(".tf") for name in files):
        files[VERSIONS] = versions.terraform(described)
    return files, granted


def write(generated: Generated, folder: Path) -> Written:
    """Brings a folder up to date. Raises `FileFailure`, before anything is written if a file
    is in the way that was not generated."""
    present = _present(generated, folder)
    for name, text in present.items():
        if name in generated.files and MARK not in text:
            raise FileFailure(
                f"{folder / name} was not generated, and is not replaced",
                hint="move it, or choose another folder",
            )
    stale = tuple(name for name in generated.stale if MARK in present.get(name, ""))
    _make(folder)
    changed = [n for n, text in generated.files.items() if present.get(n) != text]
    for name in changed:
        write_atomically(folder / name, generated.files[name].encode(), mode=_MODE)
    for name in stale:
        _remove(folder / name)
    unchanged = tuple(name for name in generated.files if name not in changed)
    return Written(tuple(changed), unchanged, stale)


def differences(generated: Generated, folder: Path) -> str:
    """A unified diff from what lies in the folder; empty if that is up to date."""
    present = _present(generated, folder)
    stale = {name: "" for name in generated.stale if MARK in present.get(name, "")}
    wanted = {**generated.files, **stale}
    return "".join(
        line
        for name, text in wanted.items()
        for line in difflib.unified_diff(
            present.get(name, "").splitlines(keepends=True),
            text.splitlines(keepends=True),
            str(folder / name),
            f"{name} as generated",
        )
    )


def _present(generated: Generated, folder: Path) -> dict[str, str]:
    names = (*generated.files, *generated.stale)
    paths = ((name, folder / name) for name in names)
    return {
        name: read_limited(path, max_bytes=_MAX_BYTES).decode("utf-8", errors="replace")
        for name, path in paths
        if path.exists()
    }


def _make(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise FileFailure(f"{folder} can't be made: {error.strerror}") from None


def _remove(path: Path) -> None:
    try:
        path.unlink(missing_ok=True)
    except OSError as error:
        raise FileFailure(f"{path} can't be removed: {error.strerror}") from None


def _of_target(settings: TrustSettings, target: Target) -> tuple[str, Iterable[Grant]]:
    match target:
        case "aws":
            account = _aws(settings)
            return aws.terraform(account), aws.grants(account)
        case "gcp":
            project = _google(settings)
            return google.terraform(project), google.grants(project)
        case "azure":
            tenant = _entra(settings)
            return entra.terraform(tenant), entra.grants(tenant)
        case "vault":
            mount = _vault(settings)
            return vault.terraform(mount), vault.grants(mount)
        case "kubernetes":
            cluster = _kubernetes(settings)
            return kubernetes.configuration(cluster), kubernetes.grants(cluster)


def _workloads(workload: WorkloadSettings) -> Workloads:
    ids = tuple(sorted(text for _, text in workload.ids()))
    return Workloads(ids, workload.spiffe_ids_below or "", workload.description.strip())


def _aws(settings: TrustSettings) -> aws.AwsAccount:
    common = settings.aws
    assert common is not None
    roles = [
        aws.AwsRole(
            name=role.role,
            workloads=_workloads(workload),
            audience=role.audience or common.audience,
            policies=role.policies,
            statements=tuple(aws.PolicyStatement(s.actions, s.resources) for s in role.allow),
            permissions_boundary=role.permissions_boundary or "",
            max_session_seconds=role.max_session_seconds,
        )
        for workload in settings.workloads
        if (role := workload.aws) is not None
    ]
    roles.sort(key=lambda role: role.name)
    return aws.AwsAccount(settings.issuer, common.account, common.partition, tuple(roles))


def _google(settings: TrustSettings) -> google.GoogleProject:
    common = settings.gcp
    assert common is not None
    bound: defaultdict[tuple[str, str], list[Workloads]] = defaultdict(list)
    for workload in settings.workloads:
        for key in _google_keys(workload):
            bound[key].append(_workloads(workload))
    return google.GoogleProject(
        issuer=settings.issuer,
        trust_domain=settings.trust_domain,
        project=common.project,
        project_number=common.project_number,
        pool=common.pool,
        provider=common.provider,
        audience=common.audience or f"https://iam.googleapis.com/{common.name()}",
        subject_is_path=common.subject == "path",
        bindings=tuple(
            google.Binding(role, tuple(workloads), account)
            for (account, role), workloads in sorted(bound.items(), key=lambda item: item[0])
        ),
    )


def _google_keys(workload: WorkloadSettings) -> Iterator[tuple[str, str]]:
    """Service account and role of each binding."""
    if workload.gcp is None:
        return
    if workload.gcp.service_account is not None:
        yield workload.gcp.service_account, google.IMPERSONATING_ROLE
    yield from (("", role) for role in dict.fromkeys(workload.gcp.roles))


def _entra(settings: TrustSettings) -> entra.EntraTenant:
    common = settings.azure
    assert common is not None
    applications = [
        entra.EntraApplication(workload.azure.application, _workloads(workload))
        for workload in settings.workloads
        if workload.azure is not None
    ]
    applications.sort(key=lambda application: application.name)
    return entra.EntraTenant(
        settings.issuer,
        settings.trust_domain,
        common.tenant or "",
        common.audience,
        tuple(applications),
    )


def _vault(settings: TrustSettings) -> vault.VaultMount:
    common = settings.vault
    assert common is not None
    roles = [
        vault.VaultRole(
            role.role,
            _workloads(workload),
            role.audience or common.audience,
            tuple(sorted(set(role.policies))),
            role.token_seconds,
        )
        for workload in settings.workloads
        if (role := workload.vault) is not None
    ]
    roles.sort(key=lambda role: role.name)
    return vault.VaultMount(settings.issuer, common.mount, settings.signing_algorithm, tuple(roles))


def _kubernetes(settings: TrustSettings) -> kubernetes.KubernetesCluster:
    common = settings.kubernetes
    assert common is not None
    users = [
        kubernetes.KubernetesUsers(_workloads(workload), workload.kubernetes.groups)
        for workload in settings.workloads
        if workload.kubernetes is not None
    ]
    users.sort(key=lambda user: (user.workloads.ids, user.workloads.below))
    return kubernetes.KubernetesCluster(
        settings.issuer, common.audience, common.username_prefix, tuple(users)
    )
