"""The description of workloads for `trust generate`: who they are, what they become where."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Literal

from msgspec import Meta

from spire_bridge.cloud.aws.limits import MAX_SESSION_SECONDS, MIN_ROLE_SESSION_SECONDS
from spire_bridge.cloud.entra.limits import (
    DEFAULT_AUDIENCE,
    MAX_CREDENTIALS,
    MAX_FIELD_CHARACTERS,
)
from spire_bridge.cloud.generate.names import resource_label
from spire_bridge.cloud.google.limits import MAX_SUBJECT_BYTES
from spire_bridge.cloud.issuer_url import check_issuer_url
from spire_bridge.config.yaml import InvalidSetting, load
from spire_bridge.issuer.url import IssuerUrl
from spire_bridge.service.settings.base import Settings, check
from spire_bridge.spiffe.id import SpiffeId, TrustDomain

Target = Literal["aws", "gcp", "azure", "vault", "kubernetes"]
TARGETS: tuple[Target, ...] = ("aws", "gcp", "azure", "vault", "kubernetes")

# As check_issuer_url names them.
_VERIFIERS = {"aws": "AWS", "gcp": "Google", "azure": "Entra", "kubernetes": "Kubernetes"}

# One text for all: IAM takes no variables in it (`${…}`), Vault's provider no commas.
Audience = Annotated[
    str,
    Meta(
        description="The audience that the workload's token is for",
        pattern=r"^[A-Za-z0-9._~:/@+=-]+\Z",
        max_length=255,
    ),
]
RoleName = Annotated[str, Meta(pattern=r"^[A-Za-z0-9+=,.@_-]{1,64}\Z")]
PolicyArn = Annotated[
    str, Meta(pattern=r"^arn:aws[a-z-]*:iam::(aws|[0-9]{12}):policy/[A-Za-z0-9+=,.@_/-]+\Z")
]
ServiceAccount = Annotated[
    str, Meta(pattern=r"^[a-z0-9-]+@[a-z0-9-]+\.iam\.gserviceaccount\.com\Z")
]
Uuid = Annotated[
    str, Meta(pattern=r"^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\Z")
]
PoolName = Annotated[str, Meta(pattern=r"^(?!gcp-)[a-z0-9-]{4,32}\Z")]
VaultPolicy = Annotated[
    str,
    # a login lower-cases names; nothing should log in as root
    Meta(pattern=r"^(?!root\Z)[a-z0-9_./-]+\Z"),
]


class AwsAccountSettings(Settings, frozen=True):
    """The AWS account that the roles are in."""

    account: Annotated[
        str, Meta(description="Its number, twelve digits in quotes", pattern=r"^[0-9]{12}\Z")
    ]
    audience: Audience = "sts.amazonaws.com"
    partition: Literal["aws", "aws-cn", "aws-us-gov"] = "aws"


class GcpProjectSettings(Settings, frozen=True):
    """The Google Cloud project that the pool is in."""

    project: Annotated[str, Meta(description="Its ID", pattern=r"^[a-z][a-z0-9-]{4,28}[a-z0-9]\Z")]
    project_number: Annotated[
        str, Meta(description="Its number, in quotes", pattern=r"^[1-9][0-9]{0,19}\Z")
    ]
    pool: Annotated[PoolName, Meta(description="The pool, which is made for this issuer")] = "spire"
    provider: Annotated[PoolName, Meta(description="The provider in it")] = "spire"
    audience: Annotated[
        Audience | None, Meta(description="By default the provider's own name, as https")
    ] = None
    subject: Annotated[
        Literal["spiffe_id", "path"],
        Meta(
            description="What google.subject is: it has room for 127 bytes, and path leaves out"
            " spiffe://<trust domain>/"
        ),
    ] = "spiffe_id"

    def name(self) -> str:
        """The provider's."""
        return (
            f"projects/{self.project_number}/locations/global/workloadIdentityPools/{self.pool}"
            f"/providers/{self.provider}"
        )


class AzureTenantSettings(Settings, frozen=True):
    """The Entra tenant that the applications are in."""

    tenant: Annotated[
        Uuid | None, Meta(description="Its ID; with it, Terraform refuses another one")
    ] = None
    audience: Annotated[
        Audience, Meta(description="That of the public cloud; other clouds have others")
    ] = DEFAULT_AUDIENCE


class VaultMountSettings(Settings, frozen=True):
    """The JWT auth of a Vault or OpenBao."""

    audience: Audience
    mount: Annotated[
        str, Meta(description="Its path", pattern=r"^[A-Za-z0-9_-]+(/[A-Za-z0-9_-]+)*\Z")
    ] = "jwt"


class KubernetesClusterSettings(Settings, frozen=True):
    """The API server that workloads authenticate at."""

    audience: Audience
    username_prefix: Annotated[
        str,
        Meta(
            description="What stands before the SPIFFE ID in the user's name",
            pattern=r"^(?!system:)[A-Za-z0-9._-]+[:/]\Z",
        ),
    ] = "spire:"


class StatementSettings(Settings, frozen=True):
    """Something that an AWS role may do."""

    actions: Annotated[
        tuple[Annotated[str, Meta(pattern=r"^[a-z0-9-]+:[A-Za-z0-9]*[A-Za-z0-9*]\Z")], ...],
        Meta(description="s3:GetObject and the like; a lone star is not taken", min_length=1),
    ]
    resources: Annotated[
        tuple[Annotated[str, Meta(pattern=r"^(\*|arn:[\x21-\x7e]+)\Z")], ...],
        Meta(description="ARNs", min_length=1),
    ]


class AwsRoleSettings(Settings, frozen=True):
    """The AWS role that a workload may assume."""

    role: Annotated[RoleName, Meta(description="The role's name; it is made")]
    policies: Annotated[
        tuple[PolicyArn, ...], Meta(description="ARNs of policies that are attached to it")
    ] = ()
    allow: Annotated[
        tuple[StatementSettings, ...], Meta(description="What it may do, in a policy of its own")
    ] = ()
    permissions_boundary: Annotated[
        PolicyArn | None, Meta(description="The ARN of a policy that bounds what it may do")
    ] = None
    max_session_seconds: Annotated[
        int,
        Meta(
            description="The longest session",
            ge=MIN_ROLE_SESSION_SECONDS,
            le=MAX_SESSION_SECONDS,
        ),
    ] = 3_600
    audience: Annotated[
        Audience | None, Meta(description="Another audience than the account's")
    ] = None


class GcpAccessSettings(Settings, frozen=True):
    """What a workload gets at Google Cloud: a service account, roles of its own, or both."""

    service_account: Annotated[
        ServiceAccount | None,
        Meta(description="Whose tokens it may get, by e-mail address; the account exists already"),
    ] = None
    roles: Annotated[
        tuple[
            Annotated[
                str,
                Meta(pattern=r"^((projects|organizations)/[a-z0-9-]+/)?roles/[A-Za-z0-9_.]+\Z"),
            ],
            ...,
        ],
        Meta(description="Roles on the project without a service account"),
    ] = ()

    def __post_init__(self) -> None:
        if self.service_account is None and not self.roles:
            raise InvalidSetting("service_account", "Expected `service_account`, `roles` or both")
        broad = {"roles/owner", "roles/editor"}.intersection(self.roles)
        if broad:
            raise InvalidSetting("roles", f"{min(broad)} is more than a workload should get")


class AzureAccessSettings(Settings, frozen=True):
    """The Entra application that a workload signs in as."""

    application: Annotated[
        str,
        Meta(
            description="Its display name; it is made", pattern=r"^[A-Za-z0-9][\x20-\x7e]{0,119}\Z"
        ),
    ]


class VaultRoleSettings(Settings, frozen=True):
    """The role of a Vault or OpenBao that a workload logs in to."""

    role: Annotated[
        str, Meta(description="The role's name; it is made", pattern=r"^[A-Za-z0-9_.-]{1,128}\Z")
    ]
    policies: Annotated[
        tuple[VaultPolicy, ...],
        Meta(description="The policies of the tokens that it gets", min_length=1),
    ]
    token_seconds: Annotated[
        int, Meta(description="How long these tokens live", ge=60, le=2_764_800)
    ] = 3_600
    audience: Annotated[Audience | None, Meta(description="Another audience than the mount's")] = (
        None
    )


class KubernetesUserSettings(Settings, frozen=True):
    """What a workload is to Kubernetes: a user, and a member of groups."""

    groups: Annotated[
        tuple[Annotated[str, Meta(pattern=r"^(?!system:)[A-Za-z0-9._:/-]+\Z")], ...],
        Meta(description="For RBAC; the user name alone if there are none"),
    ] = ()


class WorkloadSettings(Settings, frozen=True):
    """A workload, by its SPIFFE ID or IDs or by where these lie, and what it becomes."""

    spiffe_id: Annotated[str | None, Meta(description="Its SPIFFE ID")] = None
    spiffe_ids: Annotated[
        tuple[str, ...], Meta(description="Several IDs of one workload, or of several")
    ] = ()
    spiffe_ids_below: Annotated[
        str | None,
        Meta(description="All IDs below a path: spiffe://example.org/payments/, with the slash"),
    ] = None
    description: Annotated[
        str,
        Meta(
            description="For people: a line in comments, descriptions of roles and the like",
            pattern=r"^[\x20-\x7e\xa1-\xac\xae-\xff]*\Z",
            max_length=200,
        ),
    ] = ""
    aws: AwsRoleSettings | None = None
    gcp: GcpAccessSettings | None = None
    azure: AzureAccessSettings | None = None
    vault: VaultRoleSettings | None = None
    kubernetes: KubernetesUserSettings | None = None

    def __post_init__(self) -> None:
        ways = (self.spiffe_id is not None, bool(self.spiffe_ids), bool(self.spiffe_ids_below))
        if sum(ways) != 1:
            raise InvalidSetting(
                "spiffe_id",
                "Expected exactly one of `spiffe_id`, `spiffe_ids` and `spiffe_ids_below`",
            )
        for place, text in self.ids():
            check(SpiffeId.parse, place, text)
        if len({text for _, text in self.ids()}) < len(self.spiffe_ids):
            raise InvalidSetting("spiffe_ids", "Expected different SPIFFE IDs")
        if self.spiffe_ids_below is not None:
            self._check_below(self.spiffe_ids_below)
        if not any(getattr(self, target) for target in TARGETS):
            raise InvalidSetting(
                "spiffe_id", f"Expected what it becomes: at least one of {', '.join(TARGETS)}"
            )

    def ids(self) -> tuple[tuple[str, str], ...]:
        """The SPIFFE IDs with the settings that they stand in."""
        if self.spiffe_id is not None:
            return (("spiffe_id", self.spiffe_id),)
        return tuple((f"spiffe_ids[{n}]", text) for n, text in enumerate(self.spiffe_ids))

    def _check_below(self, below: str) -> None:
        if not below.endswith("/"):
            raise InvalidSetting(
                "spiffe_ids_below",
                "Expected a path that ends with a slash: without it,"
                " /payments would let in /payments-test, too",
            )
        check(SpiffeId.parse, "spiffe_ids_below", below[:-1])
        if not SpiffeId.parse(below[:-1]).path:
            raise InvalidSetting("spiffe_ids_below", "Expected a path, not a whole trust domain")
        if self.azure is not None:
            raise InvalidSetting(
                "azure", "Entra takes no wildcards; list the workloads under `spiffe_ids`"
            )


class TrustSettings(Settings, frozen=True):
    """The description of `spire-bridge trust generate`."""

    issuer: Annotated[str, Meta(description="The issuer's URL, as tokens have it in iss")]
    trust_domain: Annotated[str, Meta(description="The trust domain of all these workloads")]
    workloads: Annotated[
        tuple[WorkloadSettings, ...],
        Meta(description="Who they are, and what they become where", min_length=1),
    ]
    signing_algorithm: Annotated[
        Literal["RS256", "ES256", "ES384"],
        Meta(description="What SPIRE signs with; only RS256 suits all verifiers"),
    ] = "RS256"
    aws: AwsAccountSettings | None = None
    gcp: GcpProjectSettings | None = None
    azure: AzureTenantSettings | None = None
    vault: VaultMountSettings | None = None
    kubernetes: KubernetesClusterSettings | None = None

    def __post_init__(self) -> None:
        check(TrustDomain.parse, "trust_domain", self.trust_domain)
        self._check_issuer()
        for number, workload in enumerate(self.workloads):
            self._check_members(f"workloads[{number}]", workload)
        self._check_targets()
        self._check_limits()
        self._check_names()

    def targets(self) -> tuple[Target, ...]:
        """Where workloads become something."""
        return tuple(target for target in TARGETS if getattr(self, target) is not None)

    def at(self, target: Target) -> Iterator[tuple[str, WorkloadSettings]]:
        """Those that become something there, with their places."""
        for number, workload in enumerate(self.workloads):
            if getattr(workload, target) is not None:
                yield f"workloads[{number}]", workload

    def _check_issuer(self) -> None:
        check(IssuerUrl.parse, "issuer", self.issuer)
        wanted = {_VERIFIERS.get(target) for target in self.targets()}
        for finding in check_issuer_url(IssuerUrl.parse(self.issuer)):
            if finding.verifier in wanted:
                raise InvalidSetting("issuer", f"{finding.verifier} refuses it: {finding.reason}")

    def _check_members(self, place: str, workload: WorkloadSettings) -> None:
        root = f"spiffe://{self.trust_domain}/"
        below = ((("spiffe_ids_below", workload.spiffe_ids_below or root)),)
        for setting, text in (*workload.ids(), *below):
            if not text.startswith(root):
                raise InvalidSetting(
                    f"{place}.{setting}", f"Expected an ID of the trust domain: {root}…"
                )

    def _check_targets(self) -> None:
        for target in TARGETS:
            first = next(self.at(target), None)
            if getattr(self, target) is None and first is not None:
                raise InvalidSetting(
                    f"{first[0]}.{target}", f"Expected a section `{target}` at the top, too"
                )
            if getattr(self, target) is not None and first is None:
                raise InvalidSetting(target, "No workload becomes anything there")

    def _check_limits(self) -> None:
        if self.gcp is not None:
            self._check_google_subjects(self.gcp)
        for place, workload in self.at("azure"):
            if len(workload.ids()) > MAX_CREDENTIALS:
                raise InvalidSetting(
                    f"{place}.azure",
                    f"An application takes {MAX_CREDENTIALS} credentials, and these are"
                    f" {len(workload.ids())} SPIFFE IDs; have some become another application",
                )
            for setting, text in workload.ids():
                if len(text) > MAX_FIELD_CHARACTERS:
                    raise InvalidSetting(
                        f"{place}.{setting}",
                        f"Entra takes subjects of {MAX_FIELD_CHARACTERS} characters, and"
                        f" this has {len(text)}",
                    )

    def _check_google_subjects(self, gcp: GcpProjectSettings) -> None:
        skipped = len(f"spiffe://{self.trust_domain}/") if gcp.subject == "path" else 0
        for place, workload in self.at("gcp"):
            for setting, text in workload.ids():
                length = len(text) - skipped
                if length > MAX_SUBJECT_BYTES:
                    advice = "shorten the path: CEL has no hash"
                    if not skipped:
                        advice = f"set `gcp.subject: path`, or {advice}"
                    raise InvalidSetting(
                        f"{place}.{setting}",
                        f"google.subject takes {MAX_SUBJECT_BYTES} bytes, and this"
                        f" comes to {length}; {advice}",
                    )

    def _check_names(self) -> None:
        """Terraform's labels and the verifiers' own names must tell things apart."""
        names: dict[str, list[tuple[str, str]]] = {
            "role": [(f"{p}.aws.role", w.aws.role) for p, w in self.at("aws") if w.aws],
            "application": [
                (f"{p}.azure.application", w.azure.application)
                for p, w in self.at("azure")
                if w.azure
            ],
            "Vault role": [
                (f"{p}.vault.role", w.vault.role) for p, w in self.at("vault") if w.vault
            ],
        }
        for kind, named in names.items():
            count = Counter(resource_label(name) for _, name in named)
            for place, name in named:
                if count[resource_label(name)] > 1:
                    raise InvalidSetting(
                        place,
                        f"Another {kind} has this name, or one that differs too little from"
                        f" {name!r}; list SPIFFE IDs that share one under `spiffe_ids`",
                    )


def load_trust_settings(path: Path) -> TrustSettings:
    """Reads a description. Raises `InvalidConfig`."""
    return load(path, TrustSettings)
