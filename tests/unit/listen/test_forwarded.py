"""The host that a relying party has asked for: by whose word, and in which form."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spire_bridge.errors import EXIT_USAGE
from spire_bridge.issuer.url import InvalidIssuerUrl, IssuerUrl
from spire_bridge.listen.forwarded import InvalidTrustedProxy, TrustedProxies, normal_host
from spire_bridge.listen.http import Request

PROXIES = TrustedProxies.parse(["10.0.0.0/8", "2001:db8::/32", "192.0.2.1", "unix"])
PROXY, STRANGER = "10.1.2.3", "198.51.100.7"


def request(peer: str = PROXY, target: str = "/", **headers: str) -> Request:
    fields = {"host": "real.example"} | {n.replace("_", "-"): v for n, v in headers.items()}
    return Request("GET", "/", fields, target, peer)


@pytest.mark.parametrize(
    ("peer", "trusted"),
    [
        ("10.0.0.0", True),
        ("10.255.255.255", True),
        ("11.0.0.0", False),
        ("192.0.2.1", True),
        ("192.0.2.2", False),
        ("2001:db8::1", True),
        ("2001:db9::1", False),
        ("::ffff:10.0.0.1", False),  # peers are told as IPv4
        ("", True),
    ],
)
def test_who_is_trusted(peer: str, trusted: bool) -> None:
    assert PROXIES.trust(peer) is trusted
    assert not TrustedProxies().trust(peer)
    assert TrustedProxies.parse(["unix"]).trust(peer) is (peer == "")


def test_ipv4_written_as_ipv6_is_ipv4() -> None:
    assert TrustedProxies.parse(["::ffff:10.0.0.0/104"]) == TrustedProxies.parse(["10.0.0.0/8"])
    assert TrustedProxies.parse(["::ffff:10.0.0.1"]).trust("10.0.0.1")
    assert not TrustedProxies.parse(["::/0"]).trust("10.0.0.1")


@pytest.mark.parametrize(
    "text",
    [
        *("", "10.0.0.1/8", "::1/64", "10.0.0", "10.0.0.0/33", "10.0.0.0/-1", "example.org"),
        *("*", "Unix", "unix:", "unix ", " ::1", "10.0.0.0-10.0.0.9", "10.0.0.0/8,::1"),
    ],
)
def test_what_is_no_proxy(text: str) -> None:
    with pytest.raises(InvalidTrustedProxy, match="is no network") as caught:
        TrustedProxies.parse(["::1", text])
    assert caught.value.exit_status == EXIT_USAGE
    assert caught.value.hint


def test_host_bits_are_explained() -> None:
    with pytest.raises(InvalidTrustedProxy) as caught:
        TrustedProxies.parse(["10.1.2.3/8"])
    assert caught.value.hint is not None
    assert caught.value.hint.endswith("write 10.0.0.0/8")


@given(st.text(max_size=30) | st.text("0123456789abcdef.:/%", max_size=30))
def test_any_text_is_a_proxy_or_refused(text: str) -> None:
    try:
        proxies = TrustedProxies.parse([text])
    except InvalidTrustedProxy:
        return
    assert proxies.unix is (text == "unix")
    assert all(proxies.trust(str(network[0])) for network in proxies.networks)


@pytest.mark.parametrize(
    ("text", "normal"),
    [
        ("issuer.example.org", "issuer.example.org"),
        ("Issuer.EXAMPLE.org", "issuer.example.org"),
        ("issuer.example.org:443", "issuer.example.org"),
        ("issuer.example.org:00443", "issuer.example.org"),
        ("issuer.example.org:80", "issuer.example.org:80"),
        ("issuer.example.org:8443", "issuer.example.org:8443"),
        ("127.0.0.1:8080", "127.0.0.1:8080"),
        ("[2001:DB8::1]:443", "[2001:db8::1]"),
        ("[2001:db8:0:0::1]", "[2001:db8::1]"),
        ("xn--bcher-kva.example", "xn--bcher-kva.example"),
        ("a_b", "a_b"),
    ],
)
def test_a_host_in_normal_form(text: str, normal: str) -> None:
    assert normal_host(text) == normal
    assert normal_host(normal) == normal


@pytest.mark.parametrize(
    "text",
    [
        *("", " ", "a b", "a,b", "a/b", "a?b", "a#b", "user@a", "a:", "a:x", "a:0", "a:65536"),
        *("a:999999", "a:-1", "a:1:2", "::1", "[::1", "[::g]", "[::1]x", "a.", ".a", "-a", "a-"),
        *("bücher.example", "a%2eb", "a\0", "a\n", "a\r\nb", '"a"', "<a>", "a" * 300, "a:٨٠"),
    ],
)
def test_what_is_no_host(text: str) -> None:
    assert normal_host(text) is None
    told = PROXIES.effective_host(request(x_forwarded_host=f"asked.example,{text}"))
    assert told == ("b" if text == "a,b" else "real.example")
    assert PROXIES.effective_host(request(STRANGER, host=text)) == ""


@given(st.from_regex(r"\A[a-z0-9.\-]{1,30}\Z"), st.integers(1, 65535))
def test_the_host_of_an_issuer_is_found_again(name: str, port: int) -> None:
    """Whatever spelling of `https://host:port` the operator and the relying party choose."""
    try:
        url = IssuerUrl.parse(f"https://{name.upper()}:{port}/tenant")
    except InvalidIssuerUrl:
        return
    configured = normal_host(url.text.split("/")[2])
    if configured is None:
        return
    asked = name if port == 443 else f"{name}:{port}"
    assert PROXIES.effective_host(request(STRANGER, host=asked)) == configured


@pytest.mark.parametrize(
    ("value", "host"),
    [
        ("asked.example", "asked.example"),
        ("Asked.Example:443", "asked.example"),
        ("asked.example:8443", "asked.example:8443"),
        ("spoofed.example, asked.example", "asked.example"),
        ("not a host, asked.example", "asked.example"),
        ("a,b,asked.example \t", "asked.example"),
        ("asked.example,", "real.example"),
        ("asked.example, not a host", "real.example"),
        ("", "real.example"),
    ],
)
def test_the_last_word_of_a_trusted_proxy_counts(value: str, host: str) -> None:
    for peer in (PROXY, "2001:db8::5", ""):
        assert PROXIES.effective_host(request(peer, x_forwarded_host=value)) == host
    assert PROXIES.effective_host(request(STRANGER, x_forwarded_host=value)) == "real.example"
    assert TrustedProxies().effective_host(request("", x_forwarded_host=value)) == "real.example"


@pytest.mark.parametrize(
    ("value", "host"),
    [
        ("host=asked.example", "asked.example"),
        ("for=192.0.2.60;proto=https;by=203.0.113.43;host=asked.example", "asked.example"),
        ('Host="asked.example:8443"; for="[2001:db8::1]:4711"', "asked.example:8443"),
        (r'host="a\sked.example"', "asked.example"),
        ("host=spoofed.example, for=1.2.3.4;host=asked.example", "asked.example"),
        ('for="_a,host=spoofed.example";host=asked.example', "asked.example"),
        ('host=spoofed.example, for="x, host=spoofed.example";host=asked.example', "asked.example"),
        ("host=spoofed.example, for=1.2.3.4", "real.example"),
        ("for=1.2.3.4", "real.example"),
        ("host=a.example;host=b.example", "real.example"),
        ("host=asked.example;", "real.example"),
        ("host=asked.example,", "real.example"),
        ("host=asked.example:8443", "real.example"),  # a colon takes quotes
        ('host="asked.example', "real.example"),
        ('host="asked.example"x', "real.example"),
        ("host = asked.example", "real.example"),
        ("asked.example", "real.example"),
        ("host=", "real.example"),
        ("", "real.example"),
    ],
)
def test_forwarded_is_read_by_its_standard(value: str, host: str) -> None:
    assert PROXIES.effective_host(request(forwarded=value)) == host
    assert PROXIES.effective_host(request(STRANGER, forwarded=value)) == "real.example"


def test_two_headers_have_to_agree() -> None:
    """One of them may have come through from the client."""
    agreed = request(x_forwarded_host="Asked.example", forwarded="host=asked.example")
    assert PROXIES.effective_host(agreed) == "asked.example"
    silent = request(x_forwarded_host="asked.example", forwarded="for=1.2.3.4")
    assert PROXIES.effective_host(silent) == "asked.example"
    for forwarded in ("host=other.example", "host=a;host=b", "host=asked.example:1"):
        torn = request(x_forwarded_host="asked.example", forwarded=forwarded)
        assert PROXIES.effective_host(torn) == "real.example"


@pytest.mark.parametrize("name", ["x-forwarded-host", "forwarded"])
def test_a_header_in_several_fields_counts_for_nothing(name: str) -> None:
    """Whether the proxy has put its own before or after the client's is not to be known."""
    fields = {"host": "real.example", name: "asked.example"}
    repeated = Request("GET", "/", fields, "/", PROXY, frozenset({name}))
    assert PROXIES.effective_host(repeated) == "real.example"


@pytest.mark.parametrize(
    ("target", "host"),
    [
        ("http://target.example/keys", "target.example"),
        ("HTTPS://Target.Example:443", "target.example"),
        ("http://target.example?x=http://other.example/", "target.example"),
        ("http://target.example:8443/keys", "target.example:8443"),
        ("http://user@target.example/keys", ""),
        ("http:///keys", ""),
        ("/http://target.example/", "real.example"),
        ("/keys?x=http://target.example/", "real.example"),
        ("*", "real.example"),
        ("target.example:443", "real.example"),
        ("", "real.example"),
    ],
)
def test_an_absolute_target_counts_before_host(target: str, host: str) -> None:
    assert PROXIES.effective_host(request(STRANGER, target)) == host
    assert PROXIES.effective_host(request(STRANGER, target, x_forwarded_host="x.example")) == host
    told = request(PROXY, target, x_forwarded_host="asked.example")
    assert PROXIES.effective_host(told) == "asked.example"


HEADER = st.text(max_size=40) | st.lists(
    st.sampled_from(
        [
            *("host=", "for=", "proto=https", "evil.example", '"', ",", ";", " ", "=", "\\"),
            *(":443", ":8443", "[::1]", "real.example", "\t", "@", "/", "%00", "HOST="),
        ]
    ),
    max_size=8,
).map("".join)


@given(HEADER, HEADER, st.ip_addresses().map(str))
def test_a_stranger_is_never_believed(told: str, forwarded: str, peer: str) -> None:
    spoofed = request(peer, x_forwarded_host=told, forwarded=forwarded)
    strangers = TrustedProxies.parse(["unix"])
    assert strangers.effective_host(spoofed) == "real.example"
    if not PROXIES.trust(peer):
        assert PROXIES.effective_host(spoofed) == "real.example"


@given(HEADER, HEADER, HEADER, HEADER)
def test_whatever_is_sent_the_host_is_normal_or_empty(
    told: str, forwarded: str, host: str, target: str
) -> None:
    sent: dict[str, Any] = {"x_forwarded_host": told, "forwarded": forwarded, "host": host}
    found = PROXIES.effective_host(request(PROXY, target, **sent))
    assert found == "" or normal_host(found) == found


@given(HEADER)
def test_what_a_client_puts_before_the_proxys_word_has_no_effect(sent: str) -> None:
    asked = request(x_forwarded_host=f"{sent}, asked.example")
    assert PROXIES.effective_host(asked) == "asked.example"
