"""The kubelet's requests, and the responses that it keeps."""

from __future__ import annotations

import json
from typing import Any

import pytest
from credential_material import jwt_svid
from hypothesis import given
from hypothesis import strategies as st

from spire_bridge.credentials.errors import InvalidOutput
from spire_bridge.credentials.kubernetes.credential_provider import (
    API_VERSIONS,
    ProviderRequest,
    RegistryAccess,
)
from spire_bridge.credentials.kubernetes.errors import InvalidProviderRequest

IMAGE = "registry.example:5000/team/web:1"


def request(**changes: Any) -> bytes:
    told = {"kind": "CredentialProviderRequest", "apiVersion": API_VERSIONS[0], "image": IMAGE}
    return json.dumps(told | changes).encode()


def response(access: RegistryAccess, lifetime: int = 300, **changes: Any) -> Any:
    svid = jwt_svid("a", lifetime=lifetime)
    now = svid.expires_at - lifetime
    return json.loads(access(ProviderRequest.parse(request(**changes)), svid, now=now))


@pytest.mark.parametrize("version", API_VERSIONS)
def test_a_login_for_the_images_registry_in_the_requests_version(version: str) -> None:
    answered = response(RegistryAccess("oidc"), apiVersion=version)
    assert answered["apiVersion"] == version
    assert answered["kind"] == "CredentialProviderResponse"
    assert answered["cacheKeyType"] == "Registry"
    [(registry, login)] = answered["auth"].items()
    assert registry == "registry.example:5000"
    assert login["username"] == "oidc"
    assert login["password"].startswith("eyJ")


def test_globs_of_the_operators_own() -> None:
    answered = response(RegistryAccess("oidc", ("*.registry.example", "other.example/team")))
    assert list(answered["auth"]) == ["*.registry.example", "other.example/team"]


@pytest.mark.parametrize(("lifetime", "kept"), [(300, "240s"), (61, "1s"), (60, "0s"), (5, "0s")])
def test_it_is_kept_until_shortly_before_its_end(lifetime: int, kept: str) -> None:
    assert response(RegistryAccess("oidc"), lifetime)["cacheDuration"] == kept


@pytest.mark.parametrize(
    "changes",
    [
        {"apiVersion": "credentialprovider.kubelet.k8s.io/v2"},
        {"apiVersion": "v1"},
        {"apiVersion": None},
        {"kind": "CredentialProviderResponse"},
        {"image": ""},
        {"image": None},
        {"image": ["a"]},
    ],
)
def test_what_is_no_request(changes: dict[str, Any]) -> None:
    with pytest.raises(InvalidProviderRequest):
        ProviderRequest.parse(request(**changes))


@given(st.binary() | st.dictionaries(st.text(), st.text()).map(lambda d: json.dumps(d).encode()))
def test_any_input_is_a_request_or_an_error(data: bytes) -> None:
    with pytest.raises(InvalidProviderRequest):
        ProviderRequest.parse(data)


@given(st.text(min_size=1))
def test_any_image_has_a_registry_or_is_an_error(image: str) -> None:
    try:
        parsed = ProviderRequest.parse(request(image=image))
    except (InvalidProviderRequest, InvalidOutput):
        return
    assert parsed.registry == "docker.io" or image.startswith(f"{parsed.registry}/")
