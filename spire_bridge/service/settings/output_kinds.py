"""Settings of what an output holds: SVIDs, bundles, and what is given for a token."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Literal

from msgspec import Meta

from spire_bridge.cloud.aws.arn import Arn
from spire_bridge.cloud.aws.limits import DEFAULT_SESSION_SECONDS
from spire_bridge.cloud.aws.request_parameters import parameter_faults
from spire_bridge.config.yaml import InvalidSetting
from spire_bridge.credentials.aws.endpoints import (
    InvalidRegion,
    region_of,
    roles_anywhere_endpoint,
    sts_endpoint,
)
from spire_bridge.credentials.aws.profiles import check_profile
from spire_bridge.credentials.vault.login import JwtLogin, VaultServer
from spire_bridge.service.settings.base import Settings, check, check_absolute, check_https
from spire_bridge.spiffe.id import SpiffeId
from spire_bridge.workload.identity import Identity

Seconds = Annotated[int, Meta(ge=900, le=43_200)]


class IdentitySettings(Settings, frozen=True):
    """Which of the workload's identities; with neither, the one that the agent sends first."""

    spiffe_id: Annotated[str | None, Meta(description="By its SPIFFE ID")] = None
    hint: Annotated[str | None, Meta(description="By the hint of its registration entry")] = None

    def __post_init__(self) -> None:
        if self.spiffe_id is not None:
            check(SpiffeId.parse, "spiffe_id", self.spiffe_id)
        if self.spiffe_id is not None and self.hint is not None:
            raise InvalidSetting("hint", "Expected at most one of `spiffe_id` and `hint`")

    def identity(self) -> Identity:
        spiffe_id = SpiffeId.parse(self.spiffe_id) if self.spiffe_id is not None else None
        return Identity(spiffe_id, self.hint)


class JwtSettings(IdentitySettings, frozen=True):
    """A JWT-SVID, without a newline at its end."""

    audience: Annotated[tuple[str, ...], Meta(description="Whom it is for", min_length=1)] = ()

    def __post_init__(self) -> None:
        IdentitySettings.__post_init__(self)
        if not self.audience or not all(self.audience):
            raise InvalidSetting("audience", "Expected at least one audience, and none empty")


class Pkcs12Settings(Settings, frozen=True):
    """Stores for Java (RFC 7292)."""

    password_file: Annotated[
        str, Meta(description="A file with the stores' password; an absolute path")
    ]
    alias: Annotated[str, Meta(description="The name of the key's entry")] = "spiffe"
    encryption: Annotated[
        Literal["aes256-sha256", "3des-sha1"],
        Meta(description="3des-sha1 is for Java before 8u301 and 11.0.12"),
    ] = "aes256-sha256"

    def __post_init__(self) -> None:
        check_absolute("password_file", self.password_file)


class X509Settings(IdentitySettings, frozen=True):
    """An X.509-SVID, its key and its bundle, in PEM."""

    intermediates: Annotated[
        Literal["certificates", "bundle"],
        Meta(description="Which file holds the intermediate certificates"),
    ] = "certificates"
    federated: Annotated[
        bool, Meta(description="Whether the bundle holds those of federated trust domains too")
    ] = False
    pkcs12: Annotated[
        Pkcs12Settings | None, Meta(description="For the files key_store and trust_store")
    ] = None
    omit_expired: Annotated[bool, Meta(description="Whether expired certificates are left out")] = (
        False
    )


class JwtBundlesSettings(Settings, frozen=True):
    """The JWT bundles of the own and the federated trust domains, in JSON."""


class TemplateSettings(Settings, frozen=True):
    """A file of any shape, from a template in a part of Jinja2 (the extra `templates`)."""

    path: Annotated[str, Meta(description="The template; an absolute path")]

    def __post_init__(self) -> None:
        check_absolute("path", self.path)


class CallSettings(Settings, frozen=True):
    """How a token call leaves this machine; HTTPS_PROXY and NO_PROXY count."""

    ca_file: Annotated[
        str | None, Meta(description="Authorities to trust besides the system's, PEM")
    ] = None
    timeout_seconds: Annotated[
        float, Meta(description="How long an answer may take", gt=0, le=300)
    ] = 10.0

    def __post_init__(self) -> None:
        if self.ca_file is not None:
            check_absolute("ca_file", self.ca_file)


class SessionSettings(IdentitySettings, frozen=True):
    """A session of an AWS role."""

    role_arn: Annotated[str, Meta(description="The role", min_length=20)] = ""
    session_name: Annotated[
        str, Meta(description="How CloudTrail is to show it; the default is made by the command")
    ] = ""
    duration_seconds: Annotated[
        Seconds | None, Meta(description="How long it lasts: 15 minutes to 12 hours; AWS' default")
    ] = None
    region: Annotated[str, Meta(description="Whose endpoint is asked")] = ""
    endpoint: Annotated[
        str | None, Meta(description="Another endpoint; http on this machine alone")
    ] = None
    profile: Annotated[str, Meta(description="The profile's name in the file")] = "default"
    call: CallSettings = CallSettings()

    def __post_init__(self) -> None:
        IdentitySettings.__post_init__(self)
        if not self.role_arn:
            raise InvalidSetting("role_arn", "This setting is missing")
        if self.endpoint is not None:
            check_https("endpoint", self.endpoint)
        check(check_profile, "profile", self.profile)
        self._check_parameters()

    def _check_parameters(self) -> None:
        """By the limits of the API, but those that the fields' own say."""
        faults = parameter_faults(
            role_arn="",
            session_name=self.session_name or "made",
            duration_seconds=DEFAULT_SESSION_SECONDS,
            policy="",
        )
        if fault := next(faults, ""):
            raise InvalidSetting("session_name", fault)
        if Arn.parse(self.role_arn) is None:
            raise InvalidSetting("role_arn", "Expected an ARN: arn:aws:iam::123456789012:role/web")


class AwsSettings(SessionSettings, frozen=True):
    """Temporary credentials by STS' AssumeRoleWithWebIdentity."""

    audience: Annotated[str, Meta(description="Whom the token is for", min_length=1)] = (
        "sts.amazonaws.com"
    )

    def __post_init__(self) -> None:
        SessionSettings.__post_init__(self)
        if self.endpoint is None:
            check_region(sts_endpoint, self.role_arn, self.region)


class RolesAnywhereSettings(SessionSettings, frozen=True):
    """Temporary credentials by IAM Roles Anywhere, for the X.509-SVID."""

    trust_anchor_arn: Annotated[str, Meta(description="The anchor that holds SPIRE's CA")] = ""
    profile_arn: Annotated[str, Meta(description="The profile that lists the role")] = ""

    def __post_init__(self) -> None:
        SessionSettings.__post_init__(self)
        for setting in ("trust_anchor_arn", "profile_arn"):
            if not getattr(self, setting):
                raise InvalidSetting(setting, "This setting is missing")
        check_region(roles_anywhere_endpoint, self.trust_anchor_arn, self.signing_region())

    def signing_region(self) -> str:
        """The one that is set, or the anchor's."""
        return self.region or region_of(self.trust_anchor_arn)


class VaultSettings(IdentitySettings, frozen=True):
    """A token of Vault's or OpenBao's, by its JWT auth method; it is renewed while that pays."""

    address: Annotated[str, Meta(description="https://vault.example:8200")] = ""
    audience: Annotated[str, Meta(description="Whom the JWT-SVID is for")] = ""
    role: Annotated[str, Meta(description="The role; the mount's default_role if empty")] = ""
    mount: Annotated[str, Meta(description="Where JWT auth is mounted")] = "jwt"
    namespace: Annotated[str, Meta(description="The namespace; the root if empty")] = ""
    call: CallSettings = CallSettings()

    def __post_init__(self) -> None:
        IdentitySettings.__post_init__(self)
        for setting in ("address", "audience"):
            if not getattr(self, setting):
                raise InvalidSetting(setting, "This setting is missing")
        check_https("address", self.address)
        check(VaultServer, "address", self.address)
        check(lambda name: VaultServer(self.address, name), "namespace", self.namespace)
        server = VaultServer(self.address, self.namespace)
        check(lambda mount: JwtLogin(server, mount=mount), "mount", self.mount)


def check_region(endpoint: Callable[[str, str], str], arn: str, region: str) -> None:
    try:
        endpoint(arn, region)
    except InvalidRegion as error:  # its hint is of the command line
        raise InvalidSetting("region", error.message) from None
