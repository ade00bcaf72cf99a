"""Federated credentials of the Terraform provider `hashicorp/azuread`."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from typing import Any

from spire_bridge.cloud.terraform.described import Described, Open, known
from spire_bridge.cloud.terraform.resources import Resource

_CREDENTIAL = "azuread_application_federated_identity_credential"
_APPLICATION = "azuread_application"
_DECISIVE = frozenset({"issuer", "subject", "audiences"})
_FIELDS = {"display_name": "name", "issuer": "issuer", "subject": "subject"}


def describe(resources: Sequence[Resource]) -> Iterator[Described | Open]:
    """Each application with its credentials; those of a new one, whose ID is not known, alone."""
    applications = {
        key: resource
        for resource in resources
        if resource.type == _APPLICATION
        for key in (resource.text("id"), resource.text("object_id"))
        if key
    }
    credentials: dict[str, list[Resource]] = defaultdict(list)
    for resource in resources:
        if resource.type != _CREDENTIAL:
            continue
        if unknown := resource.unknown & _DECISIVE:
            yield Open.until_applied(resource, min(unknown))
            continue
        key = resource.text("application_id") or resource.text("application_object_id")
        credentials[key or resource.address].append(resource)
    for key, group in credentials.items():
        yield _described(group, applications.get(key))


def _described(credentials: Sequence[Resource], application: Resource | None) -> Described:
    content: dict[str, Any] = {"federatedIdentityCredentials": list(map(_graph, credentials))}
    if application is None:
        return Described.of("azure", credentials[0], content)
    names = {"client_id": "appId", "display_name": "displayName"}
    members = {names[key]: value for key, value in known(application, *names).items()}
    return Described.of("azure", application, {**content, "application": members})


def _graph(credential: Resource) -> dict[str, Any]:
    """In the shape of Microsoft Graph."""
    members = {_FIELDS[key]: value for key, value in known(credential, *_FIELDS).items()}
    return {**members, **known(credential, "audiences")}
