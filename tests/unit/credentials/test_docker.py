"""Docker's credential helper protocol, and the registries that names lead to."""

from __future__ import annotations

import json

import pytest
from credential_material import jwt_svid

from spire_bridge.credentials.docker import CredentialsNotFound, DockerLogin
from spire_bridge.credentials.errors import InvalidOutput
from spire_bridge.credentials.registry_login import registry_of_image, registry_of_url


@pytest.mark.parametrize(
    ("image", "registry"),
    [
        ("nginx", "docker.io"),
        ("nginx:1.29", "docker.io"),
        ("library/nginx", "docker.io"),
        ("registry.example/web", "registry.example"),
        ("registry.example/team/web@sha256:ab", "registry.example"),
        ("registry:5000/web", "registry:5000"),
        ("localhost/web", "localhost"),
        ("[::1]:5000/web", "[::1]:5000"),
    ],
)
def test_the_registry_of_an_image(image: str, registry: str) -> None:
    assert registry_of_image(image) == registry


@pytest.mark.parametrize("image", ["a b.c/x", "registry.example:port/x", "a:1:2/x", "a.b\n/x"])
def test_an_image_of_no_registry(image: str) -> None:
    with pytest.raises(InvalidOutput):
        registry_of_image(image)


@pytest.mark.parametrize(
    "url",
    ["registry.example:5000", "https://registry.example:5000", "https://registry.example:5000/v2/"],
)
def test_a_login_for_what_docker_asks(url: str) -> None:
    login = DockerLogin("oidc", ["registry.example:5000"])
    svid = jwt_svid("registry.example:5000")
    assert login.registry(url) == registry_of_url(url) == "registry.example:5000"
    assert json.loads(login(url, svid)) == {
        "ServerURL": url,
        "Username": "oidc",
        "Secret": svid.token,
    }


def test_another_registry_is_asked_without_a_password() -> None:
    with pytest.raises(CredentialsNotFound, match=r"^credentials not found in native keychain$"):
        DockerLogin("oidc", ["registry.example"]).registry("https://index.docker.io/v1/")
    assert DockerLogin("oidc").registry("https://index.docker.io/v1/") == "index.docker.io"


@pytest.mark.parametrize("username", ["", "a:b", "a\nb"])
def test_a_user_name_that_basic_authentication_can_not_carry(username: str) -> None:
    with pytest.raises(InvalidOutput):
        DockerLogin(username)


@pytest.mark.parametrize("url", ["", "https://", "a b"])
def test_no_registry_at_all(url: str) -> None:
    with pytest.raises(InvalidOutput):
        registry_of_url(url)
