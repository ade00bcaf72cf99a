"""Trust domains and SPIFFE IDs (SPIFFE-ID, section 2)."""

from __future__ import annotations

import contextlib
import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spire_bridge.spiffe.id import InvalidSpiffeId, SpiffeId, TrustDomain

TRUST_DOMAIN_CHARACTERS = string.ascii_lowercase + string.digits + ".-_"
SEGMENT_CHARACTERS = string.ascii_letters + string.digits + ".-_"

ACCEPTED = [
    # The examples of section 2.2, in its order.
    ("spiffe://staging.example.com/payments/mysql", "staging.example.com", "/payments/mysql"),
    ("spiffe://staging.example.com/payments/web-fe", "staging.example.com", "/payments/web-fe"),
    (
        "spiffe://k8s-west.example.com/ns/staging/sa/default",
        "k8s-west.example.com",
        "/ns/staging/sa/default",
    ),
    (
        "spiffe://example.com/9eebccd2-12bf-40a6-b262-65fe0487d453",
        "example.com",
        "/9eebccd2-12bf-40a6-b262-65fe0487d453",
    ),
    ("spiffe://trust-domain-name/path", "trust-domain-name", "/path"),
    # Section 2.1: neither a DNS name nor an IP address is treated differently.
    ("spiffe://trust_domain_name.example.com", "trust_domain_name.example.com", ""),
    ("spiffe://192.0.2.1/web", "192.0.2.1", "/web"),
    ("spiffe://a", "a", ""),
    ("spiffe://-._/a", "-._", "/a"),
    # Section 2.2: dots that are no relative segment, and both cases.
    ("spiffe://a/...", "a", "/..."),
    ("spiffe://a/.hidden/a..b/c.", "a", "/.hidden/a..b/c."),
    ("spiffe://a/A_z-0.9", "a", "/A_z-0.9"),
    # Section 2.3: 2,048 bytes, 255 of them for the trust domain.
    ("spiffe://a/" + "b" * 2037, "a", "/" + "b" * 2037),
    ("spiffe://" + "a" * 255 + "/b", "a" * 255, "/b"),
]

REFUSED = {
    "empty": "",
    "no scheme": "example.org/web",
    "scheme alone": "spiffe:",
    "no authority": "spiffe:example.org/web",
    "one slash": "spiffe:/example.org/web",
    "three slashes": "spiffe:///web",
    "no trust domain": "spiffe://",
    "other scheme": "https://example.org/web",
    "scheme in upper case": "SPIFFE://example.org/web",
    "scheme with a long s": "\u017fpiffe://example.org/web",
    "leading space": " spiffe://example.org/web",
    "leading newline": "\nspiffe://example.org/web",
    "trust domain in upper case": "spiffe://Example.org/web",
    "user": "spiffe://user@example.org/web",
    "empty user": "spiffe://@example.org/web",
    "port": "spiffe://example.org:443/web",
    "empty port": "spiffe://example.org:/web",
    "percent encoding in the trust domain": "spiffe://ex%61mple.org/web",
    "IPv6": "spiffe://[2001:db8::1]/web",
    "homoglyph in the trust domain": "spiffe://ex\u0430mple.org/web",
    "Kelvin sign": "spiffe://\u212a8s/web",
    "full-width full stop": "spiffe://example\uff0eorg/web",
    "other digits": "spiffe://example\u0661/web",
    "newline after the trust domain": "spiffe://example.org\n",
    "newline before the path": "spiffe://example.org\n/web",
    "tab in the trust domain": "spiffe://exa\tmple.org/web",
    "space in the trust domain": "spiffe://exa mple.org/web",
    "lone slash": "spiffe://example.org/",
    "trailing slash": "spiffe://example.org/web/",
    "empty segment": "spiffe://example.org//web",
    "empty segment inside": "spiffe://example.org/a//b",
    "dot": "spiffe://example.org/.",
    "dot inside": "spiffe://example.org/a/./b",
    "dots": "spiffe://example.org/..",
    "dots inside": "spiffe://example.org/a/../b",
    "dots at the end": "spiffe://example.org/a/..",
    "percent encoding": "spiffe://example.org/%77eb",
    "encoded dots": "spiffe://example.org/a/%2e%2e/b",
    "encoded slash": "spiffe://example.org/a%2fb",
    "query": "spiffe://example.org/web?a=b",
    "empty query": "spiffe://example.org/web?",
    "query on the trust domain": "spiffe://example.org?a",
    "fragment": "spiffe://example.org/web#a",
    "fragment on the trust domain": "spiffe://example.org#a",
    "newline at the end": "spiffe://example.org/web\n",
    "newline inside": "spiffe://example.org/we\nb",
    "tab": "spiffe://example.org/we\tb",
    "NUL": "spiffe://example.org/web\0",
    "space": "spiffe://example.org/we b",
    "backslash": "spiffe://example.org\\web",
    "homoglyph": "spiffe://example.org/w\u0435b",
    "combining mark": "spiffe://example.org/web\u0301",
    "lone surrogate": "spiffe://example.org/web\ud800",
    "colon": "spiffe://example.org/a:b",
    "star": "spiffe://example.org/*",
    "2,049 bytes": "spiffe://a/" + "b" * 2038,
    "trust domain of 256 bytes": "spiffe://" + "a" * 256 + "/b",
}


@pytest.mark.parametrize(("text", "name", "path"), ACCEPTED)
def test_spiffe_ids_are_read_and_written(text: str, name: str, path: str) -> None:
    spiffe_id = SpiffeId.parse(text)
    assert (spiffe_id.trust_domain.name, spiffe_id.path) == (name, path)
    assert str(spiffe_id) == text
    assert spiffe_id.is_member_of(TrustDomain(name))


@pytest.mark.parametrize("text", REFUSED.values(), ids=REFUSED.keys())
def test_anything_else_is_refused(text: str) -> None:
    with pytest.raises(InvalidSpiffeId) as caught:
        SpiffeId.parse(text)
    assert str(caught.value).isprintable()
    assert str(caught.value).isascii()
    assert len(str(caught.value)) < 250


@pytest.mark.parametrize("text", ["example.org", "spiffe://example.org"])
def test_a_trust_domain_is_read_from_its_name_or_its_id(text: str) -> None:
    trust_domain = TrustDomain.parse(text)
    assert str(trust_domain) == trust_domain.name == "example.org"
    assert str(trust_domain.id()) == "spiffe://example.org"
    assert trust_domain.id().path == ""


@pytest.mark.parametrize(
    "text",
    [
        "",
        "spiffe://",
        "spiffe://example.org/",
        "spiffe://example.org/web",
        "spiffe://spiffe://example.org",
        "https://example.org",
        "example.org/",
        "example.org:8443",
        "Example.org",
        "example.org\n",
        " example.org",
        "a" * 256,
    ],
)
def test_anything_else_is_no_trust_domain(text: str) -> None:
    with pytest.raises(InvalidSpiffeId):
        TrustDomain.parse(text)


@pytest.mark.parametrize("path", ["web", "/", "//", "/..", "/web/", "/we b", "/web\n"])
def test_the_constructor_checks_as_much(path: str) -> None:
    with pytest.raises(InvalidSpiffeId):
        SpiffeId(TrustDomain("example.org"), path)


def test_membership_is_of_the_whole_name() -> None:
    spiffe_id = SpiffeId.parse("spiffe://sub.example.org/web")
    assert not spiffe_id.is_member_of(TrustDomain("example.org"))
    assert not spiffe_id.is_member_of(TrustDomain("sub.example.or"))


trust_domains = st.text(TRUST_DOMAIN_CHARACTERS, min_size=1, max_size=255)
segments = st.text(SEGMENT_CHARACTERS, min_size=1, max_size=30).filter(
    lambda segment: segment not in {".", ".."}
)
paths = st.lists(segments, max_size=8).map(lambda parts: "".join("/" + part for part in parts))


@given(trust_domains, paths)
def test_every_spiffe_id_round_trips(name: str, path: str) -> None:
    spiffe_id = SpiffeId(TrustDomain(name), path)
    assert SpiffeId.parse(str(spiffe_id)) == spiffe_id
    assert TrustDomain.parse(str(spiffe_id.trust_domain.id())) == spiffe_id.trust_domain


@given(
    st.text()
    | st.text(SEGMENT_CHARACTERS + "/:%?#@\n\0").map("spiffe://".__add__)
    | st.text().map("spiffe://example.org/".__add__)
)
def test_a_text_is_its_own_spiffe_id_or_none(text: str) -> None:
    with contextlib.suppress(InvalidSpiffeId):
        assert str(SpiffeId.parse(text)) == text
    with contextlib.suppress(InvalidSpiffeId):
        assert TrustDomain.parse(text).name == text.removeprefix("spiffe://")
