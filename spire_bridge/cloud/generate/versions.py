"""The Terraform providers that the generated files are written for."""

from __future__ import annotations

from collections.abc import Collection

from spire_bridge.cloud.generate.heading import HEADING
from spire_bridge.cloud.hcl_writer import Attribute, Block, write_file

REQUIRED_VERSION = ">= 1.3"  # the first that knows what is used here: preconditions and all

# Their names in Terraform, sources and versions, by target.
_PROVIDERS = {
    "aws": ("aws", "hashicorp/aws", "~> 6.0"),
    "azure": ("azuread", "hashicorp/azuread", "~> 3.0"),
    "gcp": ("google", "hashicorp/google", ">= 6.0, < 8.0"),
    "vault": ("vault", "hashicorp/vault", ">= 4.0, < 6.0"),
}


def terraform(targets: Collection[str]) -> str:
    """What these targets need; targets that are no Terraform need nothing."""
    needed = [_PROVIDERS[target] for target in sorted(set(targets) & _PROVIDERS.keys())]
    versions = [
        Attribute(name, {"source": source, "version": version}) for name, source, version in needed
    ]
    block = Block.of(
        "terraform",
        body=[
            Attribute("required_version", REQUIRED_VERSION),
            Block.of("required_providers", body=[versions]),
        ],
    )
    return write_file(HEADING, [block])
