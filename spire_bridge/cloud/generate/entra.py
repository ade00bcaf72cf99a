"""Terraform for Microsoft Entra: applications, each with its federated credentials."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from spire_bridge.cloud.entra.limits import MAX_CREDENTIALS
from spire_bridge.cloud.generate.grant import Grant
from spire_bridge.cloud.generate.heading import HEADING
from spire_bridge.cloud.generate.names import credential_name, resource_label
from spire_bridge.cloud.generate.precondition import only_where
from spire_bridge.cloud.generate.workloads import Workloads
from spire_bridge.cloud.hcl_writer import Attribute, Block, Expression, write_file

_NOTES = f"""\
Entra takes no wildcards: each SPIFFE ID has a credential, an application at most {MAX_CREDENTIALS}.
It verifies RS256 only: set jwt_key_type = "rsa-2048" at SPIRE's server, which prefers EC."""
_APPLICATION = "azuread_application"
_CREDENTIAL = "azuread_application_federated_identity_credential"


@dataclass(frozen=True, slots=True)
class EntraApplication:
    """An application that its workloads sign in as."""

    name: str
    workloads: Workloads


@dataclass(frozen=True, slots=True)
class EntraTenant:
    """A tenant that trusts the issuer for these applications; its ID is empty if not known."""

    issuer: str
    trust_domain: str
    tenant: str
    audience: str
    applications: tuple[EntraApplication, ...]


def terraform(tenant: EntraTenant) -> str:
    blocks: list[Block] = []
    if tenant.tenant:
        blocks.append(Block.of("data", "azuread_client_config", "spire"))
    for application in tenant.applications:
        blocks += _application(tenant, application)
    return write_file(f"{HEADING}\n{_NOTES}", blocks)


def grants(tenant: EntraTenant) -> Iterator[Grant]:
    """Each application, as Graph describes it."""
    for application in tenant.applications:
        credentials = [
            {
                "name": name,
                "issuer": tenant.issuer,
                "subject": subject,
                "audiences": [tenant.audience],
            }
            for name, subject in _credentials(tenant, application).items()
        ]
        trust = {
            "application": {"displayName": application.name},
            "federatedIdentityCredentials": credentials,
        }
        yield Grant(
            "azure",
            f"azure.application {application.name}",
            json.dumps(trust).encode(),
            tenant.issuer,
            tenant.audience,
            (application.workloads,),
        )


def _credentials(tenant: EntraTenant, application: EntraApplication) -> dict[str, str]:
    """Subjects by the names of their credentials."""
    root = f"spiffe://{tenant.trust_domain}/"
    return {
        credential_name(spiffe_id.removeprefix(root)): spiffe_id
        for spiffe_id in sorted(application.workloads.ids)
    }


def _application(tenant: EntraTenant, application: EntraApplication) -> Iterator[Block]:
    label = resource_label(application.name)
    general = [Attribute("display_name", application.name)]
    if application.workloads.description:
        general.append(Attribute("description", application.workloads.description))
    guard: Sequence[Block] = ()
    if tenant.tenant:
        reference = "data.azuread_client_config.spire.tenant_id"
        guard = only_where(reference, tenant.tenant, "the tenant")
    yield Block.of("resource", _APPLICATION, label, body=[general, guard])
    yield Block.of(
        "resource",
        "azuread_service_principal",
        label,
        body=[Attribute("client_id", Expression(f"{_APPLICATION}.{label}.client_id"))],
    )
    yield Block.of(
        "resource",
        _CREDENTIAL,
        label,
        body=[
            Attribute("for_each", _credentials(tenant, application)),
            [
                Attribute("application_id", Expression(f"{_APPLICATION}.{label}.id")),
                Attribute("display_name", Expression("each.key")),
                Attribute("issuer", tenant.issuer),
                Attribute("subject", Expression("each.value")),
                Attribute("audiences", [tenant.audience]),
            ],
        ],
    )
