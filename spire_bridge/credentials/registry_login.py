"""A JWT-SVID as the password for a container registry that takes OIDC tokens. Pure."""

from __future__ import annotations

import re

from spire_bridge.credentials.errors import InvalidOutput

# What images without a registry in their name come from.
_DEFAULT_REGISTRY = "docker.io"
_HOST = re.compile(r"(?:[A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\])(?::[0-9]{1,5})?", re.ASCII)


def registry_of_image(image: str) -> str:
    """The registry of an image's name, with its port. Raises `InvalidOutput`."""
    first, slash, _ = image.partition("/")
    is_host = slash and ("." in first or ":" in first or first == "localhost")
    return _host(first if is_host else _DEFAULT_REGISTRY, image)


def registry_of_url(url: str) -> str:
    """The registry of what Docker asks for: a host, or a URL. Raises `InvalidOutput`."""
    _, scheme, rest = url.partition("://")
    return _host((rest if scheme else url).partition("/")[0], url)


def checked_username(username: str) -> str:
    """A name that basic authentication can carry (RFC 7617). Raises `InvalidOutput`."""
    if not username or not username.isprintable() or ":" in username:
        raise InvalidOutput("a registry's user name is not empty, and has no colon")
    return username


def _host(host: str, given: str) -> str:
    if not _HOST.fullmatch(host):
        raise InvalidOutput(f"no registry is named by {given[:200]!r}")
    return host
