"""Issuer URLs: what can be one, and where its documents hang."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spire_bridge.errors import EXIT_USAGE
from spire_bridge.issuer.url import InvalidIssuerUrl, IssuerUrl


@pytest.mark.parametrize(
    ("text", "path"),
    [
        ("https://issuer.example.org", ""),
        ("https://issuer.example.org/", ""),
        ("https://issuer.example.org:8443", ""),
        ("https://issuer.example.org/a/b", "/a/b"),
        ("https://issuer.example.org/a/b/", "/a/b"),
        ("https://issuer.example.org/a%20b", "/a%20b"),
        ("https://192.0.2.1", ""),
        ("https://[2001:db8::1]/a", "/a"),
        ("http://localhost:8080", ""),
        ("http://127.0.0.1:8080/a", "/a"),
        ("http://[::1]:8080", ""),
    ],
)
def test_these_can_be_issuers(text: str, path: str) -> None:
    issuer = IssuerUrl.parse(text)
    assert str(issuer) == issuer.text == text
    assert issuer.path == path
    assert issuer.jwks_uri == f"{text.rstrip('/')}/keys"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "issuer.example.org",
        "//issuer.example.org",
        "ftp://issuer.example.org",
        "spiffe://example.org",
        "http://issuer.example.org",
        "http://127.0.0.2.example.org",
        "http://localhost.example.org",
        "http://localhost@example.org",
        "https://",
        "https:///path",
        "https://user@issuer.example.org",
        "https://user:secret@issuer.example.org",
        "https://issuer.example.org?a=b",
        "https://issuer.example.org/?",
        "https://issuer.example.org#a",
        "https://issuer.example.org/#",
        "https://issuer.example.org:99999",
        "https://issuer.example.org:port",
        "https://[::1",
        "https://issuer.example.org/a b",
        " https://issuer.example.org",
        "https://issuer.example.org\n",
        "https://issuer.example.org/\0",
        "https://issuer.example.org/ü",
        "https://issuer.example.org/%",
        "https://issuer.example.org/%zz",
        "https://issuer.example.org\\@evil.example",
        'https://issuer.example.org/"',
        "https://issuer.example.org/<a>",
    ],
)
def test_these_cannot(text: str) -> None:
    with pytest.raises(InvalidIssuerUrl) as caught:
        IssuerUrl.parse(text)
    assert caught.value.code == "ISSUER_URL_INVALID"
    assert caught.value.exit_status == EXIT_USAGE


def test_plain_http_is_for_this_machine_and_the_error_says_so() -> None:
    with pytest.raises(InvalidIssuerUrl, match="does not start with https://") as caught:
        IssuerUrl.parse("http://issuer.example.org")
    assert caught.value.hint is not None
    assert "localhost" in caught.value.hint


@given(st.text(max_size=60) | st.text("htps:/[]@?#%.a1 \\", max_size=30))
def test_any_text_is_a_url_or_refused(text: str) -> None:
    try:
        issuer = IssuerUrl.parse(text)
    except InvalidIssuerUrl:
        return
    assert issuer.text == text
    assert issuer.path == "" or issuer.path.startswith("/")
