"""What each verifier demands of an issuer's URL, at the border of each rule."""

from __future__ import annotations

import pytest

from spire_bridge.cloud.issuer_url import check_issuer_url
from spire_bridge.issuer.url import IssuerUrl

HTTPS = "https://issuer.example.org"


def refusing(url: str) -> list[tuple[str, str]]:
    return [(f.verifier, f.reason) for f in check_issuer_url(IssuerUrl.parse(url))]


@pytest.mark.parametrize("url", [HTTPS, f"{HTTPS}/", f"{HTTPS}/a/b"])
def test_all_verifiers_accept_a_plain_https_url(url: str) -> None:
    assert refusing(url) == []


def test_plain_http_is_refused_by_every_cloud_and_kubernetes() -> None:
    reason = "the URL must be https"
    assert refusing("http://127.0.0.1") == [
        *((verifier, reason) for verifier in ("AWS", "Google", "Entra")),
        ("Kubernetes", "URL scheme must be https"),
    ]


@pytest.mark.parametrize("port", [443, 8443])
def test_aws_takes_no_port(port: int) -> None:
    assert refusing(f"{HTTPS}:{port}") == [("AWS", "the URL must not have a port")]


@pytest.mark.parametrize(
    ("length", "verifiers"), [(255, []), (256, ["AWS"]), (600, ["AWS"]), (601, ["AWS", "Entra"])]
)
def test_long_urls(length: int, verifiers: list[str]) -> None:
    url = f"{HTTPS}/".ljust(length, "a")
    assert [verifier for verifier, _ in refusing(url)] == verifiers


def test_every_finding_says_where_its_rule_is_written() -> None:
    for finding in check_issuer_url(IssuerUrl.parse("http://127.0.0.1:1/".ljust(700, "a"))):
        assert finding.source
        assert finding.reason
