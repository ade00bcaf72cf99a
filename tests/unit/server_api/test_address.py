"""Addresses of a server: the forms that exist, and why others are refused."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spire_bridge.errors import EXIT_USAGE, BridgeError
from spire_bridge.server_api.address import InvalidServerAddress, RemoteServer, ServerAddress
from spire_bridge.transport.unix_socket import MAX_SOCKET_PATH_BYTES


@pytest.mark.parametrize(
    ("uri", "path", "target"),
    [
        ("unix:///run/spire/api.sock", "/run/spire/api.sock", "unix:/run/spire/api.sock"),
        ("unix:/run/spire/api.sock", "/run/spire/api.sock", "unix:/run/spire/api.sock"),
        ("UNIX:/s", "/s", "unix:/s"),
        ("unix:///a%20b", "/a b", "unix:/a%20b"),
        ("unix:/" + "s" * (MAX_SOCKET_PATH_BYTES - 1), "/" + "s" * 106, "unix:/" + "s" * 106),
    ],
)
def test_the_forms_of_an_address(uri: str, path: str, target: str) -> None:
    address = ServerAddress.parse(uri)
    assert (address.socket_path, address.target, str(address)) == (path, target, uri)
    assert address.remote is None


@pytest.mark.parametrize(
    ("uri", "host", "port", "authority"),
    [
        ("tls://spire.example.org:8081", "spire.example.org", 8081, "spire.example.org:8081"),
        ("tls://spire.example.org.:1", "spire.example.org.", 1, "spire.example.org.:1"),
        ("TLS://localhost:65535", "localhost", 65535, "localhost:65535"),
        ("tls://my_spire-server_1:8081", "my_spire-server_1", 8081, "my_spire-server_1:8081"),
        ("tls://192.0.2.1:8081", "192.0.2.1", 8081, "192.0.2.1:8081"),
        ("tls://[2001:db8::1]:8081", "2001:db8::1", 8081, "[2001:db8::1]:8081"),
        ("tls://[::ffff:192.0.2.1]:8081", "::ffff:192.0.2.1", 8081, "[::ffff:192.0.2.1]:8081"),
        ("tls://1and1.example:8081", "1and1.example", 8081, "1and1.example:8081"),
    ],
)
def test_a_server_elsewhere(uri: str, host: str, port: int, authority: str) -> None:
    address = ServerAddress.parse(uri)
    assert address.remote == RemoteServer(host, port)
    assert address.remote.authority == authority
    assert (address.socket_path, address.target, str(address)) == (None, None, uri)


@pytest.mark.parametrize(
    "uri",
    [
        "",
        "unix:",
        "unix:///",
        "unix:/",
        "unix:relative.sock",
        "unix://host/api.sock",
        "unix:////api.sock",
        "unix:/api.sock?x=1",
        "unix:/api.sock#x",
        "unix:/a%00b",
        "unix:/a\nb",
        "unix:/ä",
        "unix:/" + "s" * MAX_SOCKET_PATH_BYTES,
        "tcp://127.0.0.1:8081",
        "/run/spire/api.sock",
        "spire.example.org:8081",
        "tls:",
        "tls://",
        "tls:spire:8081",
        "tls://spire",
        "tls://spire:",
        "tls://spire:0",
        "tls://spire:65536",
        "tls://spire:+1",
        "tls://spire:08081",
        "tls://spire:8081/",
        "tls://spire:8081?x",
        "tls://user@spire:8081",
        "tls://:8081",
        "tls://-spire:8081",
        "tls://spire..org:8081",
        "tls://spire example:8081",
        "tls://" + "s" * 64 + ":8081",
        "tls://" + "s." * 127 + "s:8081",
        "tls://192.0.2.256:8081",
        "tls://192.0.2:8081",
        "tls://2001:db8::1:8081",
        "tls://[192.0.2.1]:8081",
        "tls://[fe80::1%eth0]:8081",
        "tls://[::1:8081",
        "tls://[]:8081",
    ],
)
def test_what_is_no_address(uri: str) -> None:
    with pytest.raises(InvalidServerAddress) as caught:
        ServerAddress.parse(uri)
    assert (caught.value.code, caught.value.exit_status) == ("SERVER_ADDRESS_INVALID", EXIT_USAGE)
    assert caught.value.hint


@pytest.mark.parametrize(
    ("uri", "hint"),
    [
        ("/run/api.sock", "did you mean unix:///run/api.sock?"),
        ("spire.example.org:8081", "did you mean tls://spire.example.org:8081?"),
        ("tcp://192.0.2.1:8081", "did you mean tls://192.0.2.1:8081?"),
        ("https://spire.example.org:8081", "did you mean tls://spire.example.org:8081?"),
        ("[::1]:8081", "did you mean tls://[::1]:8081?"),
        ("dns:///spire:8081", None),
        ("spire.example.org", None),
    ],
)
def test_a_likely_address_is_told(uri: str, hint: str | None) -> None:
    with pytest.raises(InvalidServerAddress) as caught:
        ServerAddress.parse(uri)
    assert caught.value.hint == hint or (hint is None and "tls://host:port" in caught.value.hint)


_prefixes = st.sampled_from(["", "unix:", "unix:///", "tls:", "tls://", "tls://a:", "tls://["])


@given(_prefixes, st.text() | st.from_regex(r"[a-z0-9.\-_:\[\]]{0,40}(:[0-9]{0,6})?"))
def test_any_text_is_an_address_or_an_error(prefix: str, rest: str) -> None:
    try:
        address = ServerAddress.parse(prefix + rest)
    except BridgeError:
        return
    assert (address.socket_path is None) is (address.remote is not None)
    if address.socket_path is not None:
        assert address.socket_path.startswith("/")


_label = st.from_regex(r"[a-z]([a-z0-9-]{0,20}[a-z0-9])?", fullmatch=True)
_hosts = (
    st.lists(_label, min_size=1, max_size=5).map(".".join)
    | st.ip_addresses(v=4).map(str)
    | st.ip_addresses(v=6).map(lambda ip: f"[{ip}]")
)


@given(_hosts, st.integers(1, 65535))
def test_every_host_and_port_is_read_back(host: str, port: int) -> None:
    remote = ServerAddress.parse(f"tls://{host}:{port}").remote
    assert remote is not None
    assert (remote.host, remote.port) == (host.strip("[]"), port)
    assert remote.authority == f"{host}:{port}"
