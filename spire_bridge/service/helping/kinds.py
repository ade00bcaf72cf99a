"""From an output's settings to its content: one function for each kind."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from spire_bridge.credentials.aws.container import credentials_body
from spire_bridge.credentials.aws.profiles import shared_credentials
from spire_bridge.credentials.aws.temporary import TemporaryCredentials
from spire_bridge.credentials.azure.application import DEFAULT_AUDIENCE
from spire_bridge.credentials.template import Template
from spire_bridge.files.reading import read_limited
from spire_bridge.helper.contents import (
    JwtBundlesContent,
    JwtContent,
    X509Content,
    X509Supply,
)
from spire_bridge.helper.edition import Content
from spire_bridge.helper.exchanged import ExchangedContent, X509ExchangedContent
from spire_bridge.helper.templated import TemplateContent
from spire_bridge.helper.tokens import TokenSupply
from spire_bridge.service.helping.exchanges import (
    VaultGrant,
    anywhere_session,
    aws_session,
    vault_login,
)
from spire_bridge.service.helping.rendering import (
    azure_token,
    bundles_file,
    raw_token,
    x509_rendering,
)
from spire_bridge.service.helping.sources import AgentSources
from spire_bridge.service.settings.output_kinds import RolesAnywhereSettings, X509Settings
from spire_bridge.service.settings.outputs import OutputSettings

_MAX_TEMPLATE_BYTES = 1024 * 1024

Make = Callable[[Any, OutputSettings, AgentSources], Content]


def content_of(settings: OutputSettings, sources: AgentSources) -> Content:
    """Raises a `BridgeError` for what the settings alone don't show: a template, a password."""
    if settings.template is not None:
        return _template(settings, sources)
    (kind,) = settings.kinds()
    return _MAKERS[kind](getattr(settings, kind), settings, sources)


def _jwt(kind: Any, settings: OutputSettings, sources: AgentSources) -> Content:
    for_azure = DEFAULT_AUDIENCE in kind.audience
    render = azure_token(settings.name) if for_azure else raw_token
    return JwtContent(sources.tokens.of(kind.audience, kind.identity()), render)


def _x509(kind: Any, settings: OutputSettings, sources: AgentSources) -> Content:
    assert settings.files is not None
    rendering = x509_rendering(kind, settings.files, sources.clock)
    return X509Content(_supply(kind, sources), rendering)


def _supply(kind: X509Settings | RolesAnywhereSettings, sources: AgentSources) -> X509Supply:
    return X509Supply(sources.x509, kind.identity(), clock=sources.clock)


def _jwt_bundles(_: Any, __: OutputSettings, sources: AgentSources) -> Content:
    return JwtBundlesContent(sources.jwt_bundles, bundles_file)


def _aws(kind: Any, settings: OutputSettings, sources: AgentSources) -> Content:
    tokens = sources.tokens.of((kind.audience,), kind.identity())
    render = _session_rendering(settings, kind.profile)
    return ExchangedContent(tokens, aws_session(kind), render, clock=sources.clock)


def _roles_anywhere(kind: Any, settings: OutputSettings, sources: AgentSources) -> Content:
    exchange = anywhere_session(kind, sources.clock)
    render = _session_rendering(settings, kind.profile)
    supply = _supply(kind, sources)
    return X509ExchangedContent(supply, exchange, render, clock=sources.clock)


def _vault(kind: Any, _: OutputSettings, sources: AgentSources) -> Content:
    def render(grant: VaultGrant) -> tuple[bytes, ...]:
        return (grant.token.client_token.encode(),)

    tokens = sources.tokens.of((kind.audience,), kind.identity())
    return ExchangedContent(tokens, vault_login(kind, sources.clock), render, clock=sources.clock)


_MAKERS: Mapping[str, Make] = {
    "jwt": _jwt,
    "x509": _x509,
    "jwt_bundles": _jwt_bundles,
    "aws": _aws,
    "roles_anywhere": _roles_anywhere,
    "vault": _vault,
}


def _template(settings: OutputSettings, sources: AgentSources) -> Content:
    assert settings.template is not None
    path = Path(settings.template.path)
    source = read_limited(path, max_bytes=_MAX_TEMPLATE_BYTES).decode(errors="replace")
    jwt, x509 = settings.jwt, settings.x509
    tokens: TokenSupply | None = None
    if jwt is not None:
        tokens = sources.tokens.of(jwt.audience, jwt.identity())
    return TemplateContent(
        Template.parse(source, name=str(path)),
        tokens,
        _supply(x509, sources) if x509 is not None else None,
    )


def _session_rendering(
    settings: OutputSettings, profile: str
) -> Callable[[TemporaryCredentials], tuple[bytes, ...]]:
    """As a file that SDKs read, or as what they are answered by an endpoint."""
    if settings.endpoint is not None:
        return lambda credentials: (credentials_body(credentials),)
    return lambda credentials: (shared_credentials(credentials, profile=profile),)
