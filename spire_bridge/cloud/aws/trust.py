"""A role that web identities may assume, as AWS has it configured."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Self

from spire_bridge.cloud.aws.arn import Arn, provider_arn, role_name, session_arn
from spire_bridge.cloud.aws.description import Found, objects, policy, read_description
from spire_bridge.cloud.aws.limits import DEFAULT_SESSION_SECONDS
from spire_bridge.cloud.aws.policy import Policy
from spire_bridge.cloud.aws.policy import strings as texts
from spire_bridge.cloud.aws.request_parameters import parameter_faults
from spire_bridge.cloud.trust_errors import InvalidTrust

DEFAULT_SESSION_NAME = "spire-bridge"


@dataclass(frozen=True, slots=True)
class Role:
    """A role. `arn` is empty if only its trust policy was described."""

    policy: Policy
    arn: str = ""
    max_session_seconds: int = DEFAULT_SESSION_SECONDS
    max_session_known: bool = False


@dataclass(frozen=True, slots=True)
class Provider:
    """An IAM OIDC provider. `url` is as IAM keeps it, without `https://`.

    `client_ids` are None if nothing but the provider's ARN in the policy tells of it.
    The condition keys that AWS makes of a token are named by the URL, in lower case here.
    `account` is the AWS account of the ARN, empty if that is not known. `context` has the
    condition keys that are the same for all its tokens.
    """

    url: str
    arn: str
    client_ids: frozenset[str] | None
    issuer: str
    key_prefix: str
    account: str
    context: Mapping[str, tuple[str, ...]]

    @classmethod
    def of(cls, url: str, arn: str, client_ids: Iterable[str] | None = None) -> Self:
        bare = url.removeprefix("https://")
        known = None if client_ids is None else frozenset(client_ids)
        parsed = Arn.parse(arn)
        account = parsed.account if parsed is not None else ""
        context = {
            "aws:principaltype": ("User",),
            "aws:securetransport": ("true",),
            "aws:userid": (arn,),
            **({"aws:principalaccount": (account,)} if account else {}),
        }
        return cls(bare, arn, known, f"https://{bare}", f"{bare.lower()}:", account, context)


@dataclass(frozen=True, slots=True)
class Request:
    """What the caller sends beside its token: the parameters of AssumeRoleWithWebIdentity.

    An empty `role_arn` stands for the described role. `faults` are what STS' validation has
    to say against them, in its words.
    """

    role_arn: str = ""
    session_name: str = DEFAULT_SESSION_NAME
    duration_seconds: int = DEFAULT_SESSION_SECONDS
    provider_id: str = ""
    policy: str = ""
    policy_arns: tuple[str, ...] = ()
    faults: tuple[str, ...] = field(init=False)

    def __post_init__(self) -> None:
        found = parameter_faults(
            role_arn=self.role_arn,
            session_name=self.session_name,
            duration_seconds=self.duration_seconds,
            policy=self.policy,
        )
        object.__setattr__(self, "faults", tuple(found))


@dataclass(frozen=True, slots=True)
class AwsTrust:
    """A role, the OIDC providers of its account, and the request to assume it.

    `providers` are by issuer. `name` is where the description came from. `role_arn` is the role
    that is asked for, `account` its account and `session_arn` the session's; all are empty if
    no role was described, and the last also for what is no role's.
    """

    name: str
    role: Role
    providers: Mapping[str, Provider] = field(default_factory=dict)
    request: Request = field(default_factory=Request)
    role_arn: str = field(init=False)
    account: str = field(init=False)
    session_arn: str = field(init=False)
    is_provider_described: bool = field(init=False)

    def __post_init__(self) -> None:
        role_arn = self.request.role_arn or self.role.arn
        parsed = Arn.parse(role_arn)
        described = any(p.client_ids is not None for p in self.providers.values())
        object.__setattr__(self, "role_arn", role_arn)
        object.__setattr__(self, "account", parsed.account if parsed is not None else "")
        arn = session_arn(role_arn, self.request.session_name)
        object.__setattr__(self, "session_arn", arn)
        object.__setattr__(self, "is_provider_described", described)

    def asked(self, request: Request) -> Self:
        """The same role, asked for with other parameters."""
        return replace(self, request=request)


def parse_trust(data: bytes, *, name: str) -> AwsTrust:
    """Reads a role's trust policy, alone or together with more of what AWS tells.

    Any of these, or an object that has several of them under whatever names: a trust policy;
    `aws iam get-role`; `aws iam get-open-id-connect-provider`, also a list of them; the
    parameters of the request (`RoleSessionName`, `DurationSeconds`, `Policy`). Raises
    `InvalidTrust`.
    """
    found = list(objects(read_description(data, name), name))
    role = role_of(found, name)
    described = [_provider(item, role) for item in found if _is_provider(item)]
    providers = described or _providers_of_policy(role.policy)
    requests = [_request(item) for item in found if _is_request(item)]
    return AwsTrust(
        name,
        role,
        {provider.issuer: provider for provider in providers},
        requests[0] if requests else Request(),
    )


def role_of(found: Iterable[Found], name: str) -> Role:
    """The one role that a description is about. Raises `InvalidTrust`."""
    found = list(found)
    roles = [item for item in found if _policy_of(item) is not None]
    if not roles:
        bare = [item for item in found if "statement" in item.members]
        if not bare:
            raise InvalidTrust(
                f"{name}: no trust policy",
                hint="give a role's trust policy, or what `aws iam get-role` prints",
            )
        if len(bare) > 1:
            raise InvalidTrust(f"{name}: {len(bare)} policies; describe one role in a file")
        return Role(policy(bare[0].raw, bare[0].place))
    if len(roles) > 1:
        raise InvalidTrust(f"{name}: {len(roles)} roles; describe one in a file")
    item = roles[0]
    place = f"{item.place}: AssumeRolePolicyDocument"
    longest = item.number("maxsessionduration")
    return Role(
        policy(_policy_of(item), place),
        _role_arn(item),
        DEFAULT_SESSION_SECONDS if longest is None else longest,
        longest is not None,
    )


def _policy_of(item: Found) -> Any:
    return item.members.get("assumerolepolicydocument", item.members.get("assumerolepolicy"))


def _role_arn(item: Found) -> str:
    arn = item.text("arn")
    if arn and role_name(arn) is None:
        raise InvalidTrust(f"{item.place}: Arn: is no role's")
    return arn


def _is_provider(item: Found) -> bool:
    return "url" in item.members and "clientidlist" in item.members


def _provider(item: Found, role: Role) -> Provider:
    url = item.text("url")
    bare = url.removeprefix("https://")
    if not bare:
        raise InvalidTrust(f"{item.place}: Url: is empty")
    client_ids = texts(item.members["clientidlist"], f"{item.place}: ClientIDList")
    arn = item.text("openidconnectproviderarn", "arn") or _arn_of_provider(bare, role)
    return Provider.of(bare, arn, client_ids)


def _arn_of_provider(url: str, role: Role) -> str:
    """The ARN that a provider has in the role's account, or else in the policy."""
    own = Arn.parse(role.arn)
    if own is not None:
        return provider_arn(own.partition, own.account, url)
    named = (p.arn for p in _providers_of_policy(role.policy) if p.url == url)
    return next(named, provider_arn("aws", "", url))


def _providers_of_policy(trusted: Policy) -> list[Provider]:
    """The providers that a policy names; of their client IDs it tells nothing."""
    arns = {
        arn: None
        for statement in trusted.statements
        for arn in statement.principals.get("Federated", ())
    }
    parsed = ((arn, Arn.parse(arn)) for arn in arns)
    urls = ((arn, p.provider_url) for arn, p in parsed if p is not None)
    return [Provider.of(url, arn) for arn, url in urls if url]


def _is_request(item: Found) -> bool:
    return "rolesessionname" in item.members or "durationseconds" in item.members


def _request(item: Found) -> Request:
    duration = item.number("durationseconds")
    return Request(
        item.text("rolearn"),
        item.text("rolesessionname") or DEFAULT_SESSION_NAME,
        DEFAULT_SESSION_SECONDS if duration is None else duration,
        item.text("providerid"),
        item.text("policy"),
        tuple(_policy_arns(item.members.get("policyarns"))),
    )


def _policy_arns(value: Any) -> Iterator[str]:
    """The session's managed policies: `{"arn": ...}` as the API takes them, or their ARNs."""
    for entry in value if isinstance(value, list) else ():
        arn = entry.get("arn") if isinstance(entry, dict) else entry
        if isinstance(arn, str):
            yield arn
