"""The drop-in as a process: its listener, its file, its health, its end."""

from __future__ import annotations

import asyncio
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from child_process import free_port
from discovery_providers.certificates import write_pair
from discovery_providers.configurations import written
from discovery_providers.exchange import Place, Request
from discovery_providers.programs import end, eventually, ours, run, start
from forgery.tokens import ec_key, jwk, jwk_set

from spire_bridge.issuer.key_set import KeySet
from spire_bridge.issuer.rules import KeyRules
from spire_bridge.jose.public_key import PublicKey
from spire_bridge.listen.address import ListenAddress
from spire_bridge.listen.http import Request as HttpRequest
from spire_bridge.publish.domain_policy import DomainPolicy
from spire_bridge.publish.odp_routes import OdpRoutes, OdpRules
from spire_bridge.service.drop_in.discovery_provider import serve as odp
from spire_bridge.service.drop_in.discovery_provider.config import parse_odp_config
from spire_bridge.service.drop_in.go_address import go_listen_address
from spire_bridge.spiffe.bundle import Bundle
from spire_bridge.spiffe.id import TrustDomain
from spire_bridge.spiffe.jwt_bundle import JwtAuthority, JwtBundle
from spire_bridge.spiffe.x509_bundle import X509Bundle

HOME = TrustDomain("example.org")
KEY = PublicKey.from_cryptography(ec_key(7).public_key())
GET_KEYS = HttpRequest("GET", "/keys", {"host": "domain.test"}, "/keys")
ONE = jwk_set(jwk(ec_key(1), kid="one", use="jwt-svid"))
TWO = jwk_set(jwk(ec_key(2), kid="two", use="jwt-svid"))


@pytest.fixture
def folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="sb-") as name:
        yield Path(name)


@contextmanager
def serving(folder: Path, place: Place, **options: object) -> Iterator[subprocess.Popen[bytes]]:
    file, log = folder / "odp.conf", folder / "log"
    common = {"domains": ["domain.test"], "file": {"path": str(folder / "bundle.json")}}
    file.write_text(written({**common, **options}))
    process = start(ours(file), log)
    try:
        eventually(place.answers, process, log)
        yield process
    finally:
        end(process)


def within(seconds: float, condition: Callable[[], bool]) -> bool:
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True


def test_a_stale_socket_is_replaced_by_one_for_everybody(folder: Path) -> None:
    path = folder / "odp.sock"
    with socket.socket(socket.AF_UNIX) as left_behind:
        left_behind.bind(str(path))
    place = Place(path=path)
    with serving(folder, place, listen_socket_path=str(path)):
        assert path.stat().st_mode & 0o777 == 0o777
        assert place.ask(Request()).status == 500
        second = run(ours(folder / "odp.conf"))
        assert second.status == 1
        assert "another program listens there" in second.err
        assert place.answers()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_follows_its_file_and_ends_in_peace(folder: Path, number: signal.Signals) -> None:
    bundle, place, health = folder / "bundle.json", Place(free_port()), Place(free_port())
    options = {
        "insecure_addr": f"127.0.0.1:{place.port}",
        "health_checks": {"bind_port": str(health.port)},
    }
    with serving(folder, place, **options) as process:
        assert health.ask(Request("/live")).status == 200
        assert health.ask(Request("/ready")).status == 500
        assert health.ask(Request("/ready", "POST")).status == 405
        for data, key in ((ONE, b'"one"'), (TWO, b'"two"')):
            new = folder / "new"
            new.write_bytes(data)
            new.replace(bundle)
            assert within(1.5, lambda key=key: key in place.ask(Request()).body)
        bundle.write_bytes(TWO[:20])
        time.sleep(1)
        assert b'"two"' in place.ask(Request()).body
        assert health.ask(Request("/ready")).status == 200
        process.send_signal(number)
        assert process.wait(10) == 0


def test_a_certificate_is_followed_and_survives_what_is_wrong(folder: Path) -> None:
    certificate, key = folder / "cert.pem", folder / "key.pem"
    write_pair(folder, "first")
    place = Place(free_port(), tls=True)
    files = {
        "cert_file_path": str(certificate),
        "key_file_path": str(key),
        "addr": f"127.0.0.1:{place.port}",
        "file_sync_interval": "100ms",
    }
    with serving(folder, place, serving_cert_file=files):
        first = place.certificate()
        write_pair(folder, "second")
        assert within(3, lambda: place.certificate() != first)
        second = place.certificate()
        write_pair(folder, "third", only_key=True)
        time.sleep(0.5)
        assert place.certificate() == second
        certificate.unlink()
        key.unlink()
        time.sleep(0.5)
        assert place.certificate() == second
        write_pair(folder, "fourth")
        assert within(3, lambda: place.certificate() != second)


def test_a_cache_that_cant_be_made_is_refused(folder: Path) -> None:
    """Certificates that don't last over restarts use up what a CA grants in a week."""
    file = folder / "odp.conf"
    acme = {"tos_accepted": True, "email": "ops@domain.test", "cache_dir": f"{file}/cache"}
    file.write_text(written({"domains": ["a.test"], "acme": acme, "file": {"path": "/b"}}))
    ended = run(ours(file))
    assert ended.status == 1
    assert f"{file}/cache can't be made: Not a directory" in ended.err


@pytest.mark.parametrize("both_kinds", [True, False])
def test_no_host_is_every_address_that_there_is(
    both_kinds: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(socket, "has_dualstack_ipv6", lambda: both_kinds)
    every = "::" if both_kinds else "0.0.0.0"
    assert go_listen_address(":443") == ListenAddress(every, 443)
    assert go_listen_address("127.0.0.1:https") == ListenAddress("127.0.0.1", 443)


def test_a_log_file_takes_the_log(folder: Path) -> None:
    place, log = Place(free_port()), folder / "odp.log"
    options = {"log_path": str(log), "log_format": "json", "log_level": "DEBUG"}
    address = f"127.0.0.1:{place.port}"
    with serving(folder, place, insecure_addr=address, log_requests=True, **options):
        assert within(3, lambda: "incoming request" in log.read_text())


def test_a_key_that_expires_leaves_without_a_change_of_its_source() -> None:
    """Only the Server API tells an expiry, so it is told here to the publisher itself."""
    routes = OdpRoutes(OdpRules(DomainPolicy.of(["domain.test"])))

    async def life() -> list[int]:
        publish = odp._publisher(routes, KeyRules())
        authority = JwtAuthority("brief", KEY, expires_at=int(time.time()) + 1)
        publish(Bundle(HOME, JwtBundle.of(HOME, [authority]), X509Bundle(HOME)))
        before = routes(GET_KEYS).status
        await asyncio.sleep(authority.expires_at - time.time() + 0.1 if authority.expires_at else 0)
        return [before, routes(GET_KEYS).status]

    assert asyncio.run(life()) == [200, 501]


@pytest.mark.parametrize("switches", [(), ("expired-keys",)])
def test_expired_keys_stay_only_where_the_reference_is_followed(switches: tuple[str, ...]) -> None:
    config = parse_odp_config(
        'domains = ["domain.test"]\ninsecure_addr = ":0"\nfile { path = "/b" }', name="x"
    )
    rules = odp._key_rules(config, frozenset(switches))
    expired = JwtBundle.of(HOME, [JwtAuthority("old", KEY, expires_at=1)])
    key_set = KeySet.from_bundle(expired, time.time(), rules)
    assert [key.key_id for key in key_set.keys] == (["old"] if switches else [])


@pytest.mark.parametrize("switches", [(), ("--as-reference", "health-address")])
def test_health_is_on_loopback_unless_the_reference_is_followed(
    folder: Path, switches: tuple[str, ...]
) -> None:
    port, health = free_port(), free_port()
    file, log = folder / "odp.conf", folder / "log"
    options = {
        "domains": ["domain.test"],
        "insecure_addr": f"127.0.0.1:{port}",
        "file": {"path": str(folder / "bundle.json")},
        "health_checks": {"bind_port": health},
    }
    file.write_text(written(options))
    process = start((*ours(file), *switches), log)
    try:
        eventually(Place(port).answers, process, log)
        eventually(Place(health).answers, process, log)
        with socket.socket() as client:  # another address of this machine
            reached = client.connect_ex(("127.0.0.2", health)) == 0
    finally:
        end(process)
    assert reached is bool(switches)
