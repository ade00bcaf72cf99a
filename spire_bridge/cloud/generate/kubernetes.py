"""The AuthenticationConfiguration of Kubernetes' API server."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import yaml

from spire_bridge.cloud.cel import MAX_EXPRESSION_CHARACTERS
from spire_bridge.cloud.generate.cel_text import cel_string, subject_condition
from spire_bridge.cloud.generate.grant import Grant
from spire_bridge.cloud.generate.heading import HEADING
from spire_bridge.cloud.generate.workloads import Workloads
from spire_bridge.cloud.hcl_writer import comment_lines
from spire_bridge.cloud.trust_errors import InvalidTrust

API_VERSION = "apiserver.config.k8s.io/v1"


@dataclass(frozen=True, slots=True)
class KubernetesUsers:
    """Workloads that may authenticate, and the groups that they are in."""

    workloads: Workloads
    groups: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class KubernetesCluster:
    """An API server that trusts the issuer; a user is `username_prefix` and the SPIFFE ID."""

    issuer: str
    audience: str
    username_prefix: str
    users: tuple[KubernetesUsers, ...]

    @property
    def workloads(self) -> tuple[Workloads, ...]:
        return tuple(users.workloads for users in self.users)

    def groups(self, spiffe_id: str) -> tuple[str, ...]:
        listed = (g for u in self.users if u.workloads.has(spiffe_id) for g in u.groups)
        return tuple(sorted(set(listed)))


class _Dumper(yaml.SafeDumper):
    """Text of several lines as such; what is in a list stands deeper than the list's name."""

    def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:
        super().increase_indent(flow, False)


def _text(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    """Quotes what Kubernetes' own reader might take for a number or bool, and PyYAML not."""
    style = "|" if "\n" in text else '"' if len(text) < 2 or not text[0].isalpha() else None
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=style)


_Dumper.add_representer(str, _text)


def configuration(cluster: KubernetesCluster) -> str:
    """The file for `kube-apiserver --authentication-config`.

    Raises `InvalidTrust` for more than an expression of its can hold.
    """
    heading = (
        f"{HEADING}\nFor kube-apiserver --authentication-config.\nTo RBAC a workload is the user"
        f" {cluster.username_prefix}<its SPIFFE ID>."
    )
    document = yaml.dump(
        _document(cluster), Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=4_096
    )
    return "\n".join([*comment_lines(heading), document])


def grants(cluster: KubernetesCluster) -> Iterator[Grant]:
    """The configuration, with all that may authenticate."""
    yield Grant(
        "kubernetes",
        "kubernetes",
        configuration(cluster).encode(),
        cluster.issuer,
        cluster.audience,
        cluster.workloads,
        is_meant=_is_user_of(cluster),
    )


def _is_user_of(cluster: KubernetesCluster) -> Callable[[Mapping[str, Any], str], bool]:
    def is_user(identity: Mapping[str, Any], subject: str) -> bool:
        return identity["username"] == cluster.username_prefix + subject and tuple(
            sorted(set(identity["groups"]))
        ) == cluster.groups(subject)

    return is_user


def _document(cluster: KubernetesCluster) -> dict[str, Any]:
    mappings: dict[str, Any] = {"username": {"claim": "sub", "prefix": cluster.username_prefix}}
    if any(users.groups for users in cluster.users):
        mappings["groups"] = {"expression": _sized(_groups(cluster))}
    authenticator = {
        "issuer": {"url": cluster.issuer, "audiences": [cluster.audience]},
        "claimValidationRules": [
            {
                "expression": _sized(
                    subject_condition("claims.sub", cluster.workloads, lines=True)
                ),
                "message": "this workload may not authenticate here",
            }
        ],
        "claimMappings": mappings,
        "userValidationRules": [
            {
                "expression": "!user.username.startsWith('system:')",
                "message": "user names of Kubernetes itself are not for workloads",
            },
            {
                "expression": "user.groups.all(group, !group.startsWith('system:'))",
                "message": "groups of Kubernetes itself are not for workloads",
            },
        ],
    }
    return {
        "apiVersion": API_VERSION,
        "kind": "AuthenticationConfiguration",
        "jwt": [authenticator],
    }


def _groups(cluster: KubernetesCluster) -> str:
    """Those of all groups that the subject is in; a sum of lists could nest too deeply."""
    names = sorted({group for users in cluster.users for group in users.groups})
    terms = []
    for name in names:
        members = [users.workloads for users in cluster.users if name in users.groups]
        is_in = subject_condition("claims.sub", members)
        terms.append(f"  group == {cel_string(name)} && ({is_in})")
    every = ", ".join(map(cel_string, names))
    return "\n".join([f"[{every}].filter(group,", " ||\n".join(terms), ")"])


def _sized(expression: str) -> str:
    """Kubernetes would take 100,000 characters, but they could not be checked here."""
    if len(expression) > MAX_EXPRESSION_CHARACTERS:
        raise InvalidTrust(
            f"kubernetes: an expression would have {len(expression)} characters;"
            f" {MAX_EXPRESSION_CHARACTERS} are allowed",
            hint="let in all below a path with spiffe_ids_below, or name fewer groups",
        )
    return expression
