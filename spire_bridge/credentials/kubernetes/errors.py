"""What clients of Kubernetes can ask for that can't be given."""

from __future__ import annotations

from spire_bridge.errors import EXIT_USAGE, BridgeError


class InvalidExecInfo(BridgeError):
    """KUBERNETES_EXEC_INFO is not what a client of Kubernetes writes, or of a newer version."""

    code = "EXEC_INFO_INVALID"
    exit_status = EXIT_USAGE


class InvalidProviderRequest(BridgeError):
    """Standard input is no CredentialProviderRequest of a version that is known here."""

    code = "PROVIDER_REQUEST_INVALID"
    exit_status = EXIT_USAGE


class InvalidKubeconfig(BridgeError):
    """A kubeconfig can't be made of this, or not written there."""

    code = "KUBECONFIG_INVALID"
    exit_status = EXIT_USAGE
