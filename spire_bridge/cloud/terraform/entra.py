"""Federated credentials of the Terraform provider `hashicorp/azuread`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from spire_bridge.cloud.terraform.described import Described, Open, known
from spire_bridge.cloud.terraform.resources import Resource

_CREDENTIAL = "azuread_application_federated_identity_credential"
_APPLICATION = "azuread_application"
_FIELDS = {"display_name": "name", "issuer": "issuer", "subject": "subject"}


def describe(resources: Sequence[Resource]) -> Iterator[Described | Open]:
    """Each credential, with the client ID of its application where the state has it."""
    clients = {
        key: client
        for resource in resources
        if resource.type == _APPLICATION and (client := resource.text("client_id"))
        for key in (resource.text("id"), resource.text("object_id"))
        if key
    }
    for credential in resources:
        if credential.type != _CREDENTIAL:
            continue
        unknown = credential.unknown & {"issuer", "subject", "audiences"}
        if unknown:
            yield Open.until_applied(credential, min(unknown))
            continue
        yield Described.of("azure", credential, _described(credential, clients))


def _described(credential: Resource, clients: dict[str, str]) -> dict[str, Any]:
    """In the shape of Microsoft Graph."""
    renamed = {_FIELDS[key]: value for key, value in known(credential, *_FIELDS).items()}
    application = credential.text("application_id") or credential.text("application_object_id")
    client = clients.get(application or "")
    described = {**renamed, "audiences": credential.values.get("audiences") or []}
    return {**described, "appId": client} if client else described
