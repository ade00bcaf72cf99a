"""The kubelet's image credential providers (credentialprovider.kubelet.k8s.io). Pure."""

from __future__ import annotations

import json
from collections.abc import Sequence

from spire_bridge.credentials.kubernetes.errors import InvalidProviderRequest
from spire_bridge.credentials.registry_login import checked_username, registry_of_image
from spire_bridge.jose.errors import InvalidJson
from spire_bridge.jose.strict_json import parse_object
from spire_bridge.value import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Self

    from spire_bridge.spiffe.jwt_svid import UnverifiedJwtSvid

API_GROUP = "credentialprovider.kubelet.k8s.io"
API_VERSIONS = tuple(f"{API_GROUP}/{version}" for version in ("v1", "v1beta1", "v1alpha1"))
MAX_REQUEST_BYTES = 1024 * 1024

# A pull that begins with a kept answer still has this long to log in.
_SPARE_SECONDS = 60


class ProviderRequest(Value):
    """The image that is to be pulled, and the version to answer in."""

    api_version: str
    image: str
    registry: str

    @classmethod
    def parse(cls, data: bytes) -> Self:
        """Reads a CredentialProviderRequest.

        Raises `InvalidProviderRequest`, and `InvalidOutput` for an image that names no registry.
        """
        try:
            request = parse_object(data, what="standard input", max_bytes=MAX_REQUEST_BYTES)
        except InvalidJson as error:
            raise InvalidProviderRequest(
                error.message, hint="the kubelet runs this; it writes the request"
            ) from None
        version, image = request.get("apiVersion"), request.get("image")
        if request.get("kind") != "CredentialProviderRequest" or version not in API_VERSIONS:
            raise InvalidProviderRequest(
                "standard input is no CredentialProviderRequest of a version that is known here",
                hint=f"set apiVersion of the provider to {API_VERSIONS[0]}",
            )
        if not isinstance(image, str) or not image:
            raise InvalidProviderRequest("the kubelet's request names no image")
        return cls(version, image, registry_of_image(image))


class RegistryAccess(Value):
    """Where the token is a password: for `globs`, or for the registry of the image alone."""

    username: str
    globs: Sequence[str] = ()

    def _check(self) -> None:
        checked_username(self.username)

    def __call__(self, request: ProviderRequest, svid: UnverifiedJwtSvid, *, now: float) -> bytes:
        """The CredentialProviderResponse, to be kept for the registry until shortly before `exp`.

        The kubelet keeps one that can't be kept for 0 seconds, which is not at all.
        """
        seconds = max(0, int(svid.expires_at - now) - _SPARE_SECONDS)
        login = {"username": self.username, "password": svid.token}
        response = {
            "apiVersion": request.api_version,
            "kind": "CredentialProviderResponse",
            "cacheKeyType": "Registry",
            "cacheDuration": f"{seconds}s",
            "auth": dict.fromkeys(self.globs or (request.registry,), login),
        }
        return json.dumps(response).encode() + b"\n"
