"""Terraform for Google Cloud: a pool with one provider, and what its principals may be."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from spire_bridge.cloud.generate.cel_text import cel_string, subject_terms
from spire_bridge.cloud.generate.grant import Grant
from spire_bridge.cloud.generate.heading import HEADING
from spire_bridge.cloud.generate.names import attribute_name, resource_label
from spire_bridge.cloud.generate.workloads import Workloads, all_below, all_ids
from spire_bridge.cloud.google import limits
from spire_bridge.cloud.hcl_writer import (
    Attribute,
    Block,
    Call,
    Expression,
    Template,
    Value,
    write_file,
)
from spire_bridge.cloud.trust_errors import InvalidTrust

IMPERSONATING_ROLE = "roles/iam.workloadIdentityUser"

_PROVIDER = "google_iam_workload_identity_pool_provider"
_POOL = "google_iam_workload_identity_pool"
_OR = " || "


@dataclass(frozen=True, slots=True)
class Binding:
    """What workloads get: a role on a service account, or on the project without one."""

    role: str
    workloads: tuple[Workloads, ...]
    service_account: str = ""


@dataclass(frozen=True, slots=True)
class GoogleProject:
    """A project whose pool trusts the issuer.

    `subject_is_path` has google.subject be the SPIFFE ID without `spiffe://<trust domain>/`.
    """

    issuer: str
    trust_domain: str
    project: str
    project_number: str
    pool: str
    provider: str
    audience: str
    subject_is_path: bool
    bindings: tuple[Binding, ...]

    @property
    def root(self) -> str:
        return f"spiffe://{self.trust_domain}/"

    @property
    def pool_name(self) -> str:
        return f"projects/{self.project_number}/locations/global/workloadIdentityPools/{self.pool}"

    @property
    def workloads(self) -> tuple[Workloads, ...]:
        return tuple(dict.fromkeys(w for binding in self.bindings for w in binding.workloads))

    def subject(self, spiffe_id: str) -> str:
        """What google.subject is for the workload."""
        return spiffe_id.removeprefix(self.root) if self.subject_is_path else spiffe_id


def terraform(project: GoogleProject) -> str:
    """The file. Raises `InvalidTrust` for what the provider can't hold."""
    blocks = [_pool(project), _provider(project)]
    for binding in project.bindings:
        blocks += _bound(project, binding)
    _refuse_doubles(blocks)
    return write_file(HEADING, blocks)


def _refuse_doubles(blocks: Sequence[Block]) -> None:
    count = Counter(block.labels for block in blocks)
    if twice := [".".join(labels) for labels, number in count.items() if number > 1]:
        raise InvalidTrust(
            f"gcp: two bindings would both be called {twice[0]}",
            hint="describe one of them in a file of its own: their names differ too little",
        )


def grants(project: GoogleProject) -> Iterator[Grant]:
    """The provider with each service account, as gcloud describes them, and with each role."""
    provider = {
        "name": f"{project.pool_name}/providers/{project.provider}",
        "state": "ACTIVE",
        "attributeMapping": _mapping(project),
        "attributeCondition": _condition(project),
        "oidc": {"issuerUri": project.issuer, "allowedAudiences": [project.audience]},
    }
    for binding in project.bindings:
        members = _members(project, binding)
        trust: dict[str, Any] = {"provider": provider}
        if binding.service_account:
            bound = {"role": binding.role, "members": sorted(members)}
            trust |= {
                "serviceAccount": binding.service_account,
                "iamPolicy": {"bindings": [bound]},
            }
        grant = Grant(
            "gcp",
            f"gcp.{binding.service_account or binding.role}",
            json.dumps(trust).encode(),
            project.issuer,
            project.audience,
            binding.workloads,
        )
        # The pool gives nothing by itself: a role of the project is bound to its members.
        yield (
            grant if binding.service_account else replace(grant, gets_something=_is_one_of(members))
        )


def _is_one_of(members: frozenset[str]) -> Callable[[Mapping[str, Any]], bool]:
    def is_one(identity: Mapping[str, Any]) -> bool:
        return not members.isdisjoint({identity["principal"], *identity["principal_sets"]})

    return is_one


def _members(project: GoogleProject, binding: Binding) -> frozenset[str]:
    subjects = (
        f"principal://iam.googleapis.com/{project.pool_name}/subject/{project.subject(spiffe_id)}"
        for spiffe_id in all_ids(binding.workloads)
    )
    sets = (
        f"principalSet://iam.googleapis.com/{project.pool_name}/{_attribute(project, below)}/yes"
        for below in all_below(binding.workloads)
    )
    return frozenset([*subjects, *sets])


def _attribute(project: GoogleProject, below: str) -> str:
    path = below.removeprefix(project.root).rstrip("/")
    return f"attribute.below_{attribute_name(path)}"


def _mapping(project: GoogleProject) -> dict[str, str]:
    subject = "assertion.sub"
    if project.subject_is_path:
        subject = f"assertion.sub.extract({cel_string(f'{project.root}{{path}}')})"
    paths = all_below(project.workloads)
    if len(paths) > limits.MAX_ATTRIBUTES:
        raise InvalidTrust(
            f"gcp: spiffe_ids_below has {len(paths)} different paths; a provider has room for"
            f" {limits.MAX_ATTRIBUTES} attributes",
            hint="list SPIFFE IDs, or describe a second provider in a file of its own",
        )
    return {
        "google.subject": subject,
        **{
            _attribute(project, below): (
                f"assertion.sub.startsWith({cel_string(below)}) ? 'yes' : 'no'"
            )
            for below in paths
        },
    }


def _terms(project: GoogleProject) -> list[str]:
    """One of these holds for whoever is let in: a workload, or else all of the trust domain."""
    terms = subject_terms("assertion.sub", project.workloads)
    if len(_OR.join(terms)) <= limits.MAX_CONDITION_CHARACTERS:
        return terms
    return [f"assertion.sub.startsWith({cel_string(project.root)})"]


def _condition(project: GoogleProject) -> str:
    return _OR.join(_terms(project))


def _pool(project: GoogleProject) -> Block:
    return Block.of(
        "resource",
        _POOL,
        "spire",
        body=[
            [
                Attribute("project", project.project),
                Attribute("workload_identity_pool_id", project.pool),
            ]
        ],
        comment="The pool trusts this issuer alone: another one in it could speak for the same"
        " subjects.",
    )


def _provider(project: GoogleProject) -> Block:
    terms = _terms(project)
    condition: Value = Call("join", (_OR, terms)) if len(terms) > 1 else terms[0]
    pool = Expression(f"{_POOL}.spire.workload_identity_pool_id")
    oidc = [
        Attribute("issuer_uri", project.issuer),
        Attribute("allowed_audiences", [project.audience]),
    ]
    return Block.of(
        "resource",
        _PROVIDER,
        "spire",
        body=[
            [
                Attribute("project", project.project),
                Attribute("workload_identity_pool_id", pool),
                Attribute("workload_identity_pool_provider_id", project.provider),
            ],
            Attribute("attribute_mapping", _mapping(project), _why_mapping(project)),
            Attribute("attribute_condition", condition, _why_condition(project, terms)),
            Block.of("oidc", body=[oidc]),
        ],
    )


def _why_condition(project: GoogleProject, terms: Sequence[str]) -> str:
    if terms == subject_terms("assertion.sub", project.workloads):
        return "Nobody comes into the pool for whom nothing is bound below."
    return (
        "The workloads are too many for a condition: it lets in the trust domain, and the"
        " bindings below tell who gets anything."
    )


def _why_mapping(project: GoogleProject) -> str:
    if not project.subject_is_path:
        return ""
    return (
        f"google.subject holds {limits.MAX_SUBJECT_BYTES} bytes: the SPIFFE ID's path. The"
        " condition below pins the trust domain that is left out."
    )


def _bound(project: GoogleProject, binding: Binding) -> Iterator[Block]:
    ids = [project.subject(spiffe_id) for spiffe_id in all_ids(binding.workloads)]
    if ids:
        yield _members_of(project, binding, "", "principal", "subject/", ids)
    attributes = [_attribute(project, below) for below in all_below(binding.workloads)]
    if attributes:
        yield _members_of(project, binding, "_below", "principalSet", "", attributes)


def _members_of(
    project: GoogleProject,
    binding: Binding,
    suffix: str,
    kind: str,
    place: str,
    values: Sequence[str],
) -> Block:
    """One resource with a member for each value, which its address has in it."""
    after = [] if kind == "principal" else ["/yes"]
    member = Template(
        (
            f"{kind}://iam.googleapis.com/",
            Expression(f"{_POOL}.spire.name"),
            f"/{place}",
            Expression("each.value"),
            *after,
        )
    )
    on = Attribute("project", project.project)
    resource = "google_project_iam_member"
    if binding.service_account:
        resource = "google_service_account_iam_member"
        on = Attribute("service_account_id", account_name(binding.service_account))
    return Block.of(
        "resource",
        resource,
        binding_label(project.project, binding) + suffix,
        body=[
            Attribute("for_each", Call("toset", (values,))),
            [on, Attribute("role", binding.role), Attribute("member", member)],
        ],
        comment=_who(binding) if suffix == "" else "",
    )


def _who(binding: Binding) -> str:
    return "; ".join(sorted({w.description for w in binding.workloads if w.description}))


def binding_label(project: str, binding: Binding) -> str:
    """What Terraform calls it; a service account of another project has that in its label."""
    if not binding.service_account:
        return resource_label(binding.role.removeprefix("roles/"))
    local, _, domain = binding.service_account.partition("@")
    home = domain.partition(".")[0]
    return resource_label(local if home == project else f"{local}_{home}")


def account_name(email: str) -> str:
    """The resource name of a service account."""
    home = email.partition("@")[2].partition(".")[0]
    return f"projects/{home}/serviceAccounts/{email}"
