"""`spire-bridge credential`: an SVID as the credential that an unmodified program asks for."""

from __future__ import annotations

from spire_bridge.cli.command import Subparsers, add_group

# One module for each verifier, by the command's name.
_COMMANDS = {
    "aws": "credential_aws",
    "azure": "credential_azure",
    "azure-environment": "credential_azure_environment",
    "gcp": "credential_gcp",
    "gcp-config": "credential_gcp_config",
    "roles-anywhere": "credential_roles_anywhere",
    "vault": "credential_vault",
    "kubernetes": "credential_kubernetes",
    "kubelet": "credential_kubelet",
    "docker": "credential_docker",
}


def add_parser(subparsers: Subparsers) -> None:
    add_group(
        subparsers,
        "credential",
        _COMMANDS,
        summary="print a credential for a cloud's tools, made of the workload's SVID",
        title="credentials",
        metavar="CREDENTIAL",
    )
