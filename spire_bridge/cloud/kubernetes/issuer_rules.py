"""What Kubernetes demands of an issuer's URL, in its own words.

Source: kubernetes/apiserver, pkg/apis/apiserver/validation/validation.go, validateURL.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from urllib.parse import SplitResult, urlsplit

SOURCE = "Kubernetes: AuthenticationConfiguration, jwt[].issuer.url"

# What is refused, and what is said then.
URL_RULES: tuple[tuple[Callable[[str, SplitResult], bool], str], ...] = (
    (lambda _, url: url.scheme != "https", "URL scheme must be https"),
    (lambda _, url: "@" in url.netloc, "URL must not contain a username or password"),
    (lambda _, url: bool(url.query), "URL must not contain a query"),
    (lambda _, url: bool(url.fragment), "URL must not contain a fragment"),
)


def url_problems(text: str) -> Iterator[str]:
    """Why Kubernetes refuses the URL."""
    try:
        url = urlsplit(text)
    except ValueError:
        yield "it is no URL"
        return
    yield from (problem for refuses, problem in URL_RULES if refuses(text, url))
