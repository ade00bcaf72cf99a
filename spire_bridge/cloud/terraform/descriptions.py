"""All the trust that a Terraform plan or state describes, whatever the verifier."""

from __future__ import annotations

from spire_bridge.cloud.terraform import aws, entra, google, vault
from spire_bridge.cloud.terraform.described import Described, Open
from spire_bridge.cloud.terraform.resources import read_resources

_PROVIDERS = (aws, google, entra, vault)


def find_descriptions(data: bytes, *, name: str) -> tuple[Described | Open, ...]:
    """In the order of the verifiers, then of the document. Raises `InvalidTrust`."""
    resources = read_resources(data, name=name)
    return tuple(found for provider in _PROVIDERS for found in provider.describe(resources))
