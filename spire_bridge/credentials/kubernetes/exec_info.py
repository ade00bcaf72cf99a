"""What a client of Kubernetes tells its exec plugin, in KUBERNETES_EXEC_INFO. Pure."""

from __future__ import annotations

from collections.abc import Mapping

from spire_bridge.credentials.kubernetes.errors import InvalidExecInfo
from spire_bridge.jose.errors import InvalidJson
from spire_bridge.jose.strict_json import parse_object
from spire_bridge.value import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

VARIABLE = "KUBERNETES_EXEC_INFO"
API_GROUP = "client.authentication.k8s.io"
API_VERSION = f"{API_GROUP}/v1"
API_VERSIONS = (API_VERSION, f"{API_GROUP}/v1beta1")

# The one member of a cluster's `config` that is ours: whom the token is to be for.
AUDIENCE = "audience"

_MAX_BYTES = 1024 * 1024  # a cluster's certificate authorities are in it
_CONFIGURED = f"extension {API_GROUP}/exec of the cluster"


class ExecInfo(Value):
    """The version to answer in, and of the cluster what its client tells (provideClusterInfo)."""

    api_version: str = API_VERSION
    server: str = ""
    audience: str = ""

    @classmethod
    def parse(cls, text: str) -> ExecInfo:
        """Reads the variable; an empty one is a person's call. Raises `InvalidExecInfo`."""
        if not text:
            return cls()
        try:
            info = parse_object(text.encode(), what=VARIABLE, max_bytes=_MAX_BYTES)
        except (InvalidJson, UnicodeEncodeError) as error:
            raise InvalidExecInfo(
                f"{VARIABLE} is not JSON" if isinstance(error, UnicodeError) else str(error)
            ) from None
        version = info.get("apiVersion")
        if info.get("kind") != "ExecCredential" or version not in API_VERSIONS:
            raise InvalidExecInfo(
                f"{VARIABLE} is no ExecCredential of a version that is known here",
                hint=f"set apiVersion of the user's exec section to {API_VERSION}",
            )
        cluster = _mapping(_mapping(info, "spec"), "cluster")
        config = _mapping(cluster, "config")
        return cls(version, _string(cluster, "server"), _string(config, AUDIENCE))

    def audience_or(self, named: str | None) -> str:
        """Whom the token is for: by the cluster's own word, as `named`, or the server's URL.

        Raises `InvalidExecInfo` if nothing says.
        """
        audience = self.audience or named or self.server
        if not audience:
            raise InvalidExecInfo(
                "nothing says which audience the API server wants",
                hint="name it with --audience, or set provideClusterInfo in the kubeconfig",
            )
        return audience


def _mapping(holder: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    value = holder.get(name)
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise InvalidExecInfo(f"{name!r} in {VARIABLE} is no object", hint=f"see the {_CONFIGURED}")
    return value


def _string(holder: Mapping[str, Any], name: str) -> str:
    value = holder.get(name, "")
    if not isinstance(value, str):
        raise InvalidExecInfo(f"{name!r} in {VARIABLE} is no text", hint=f"see the {_CONFIGURED}")
    return value
