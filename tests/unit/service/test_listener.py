"""Listeners as the settings describe them: owner, certificate, proxies, limits."""

from __future__ import annotations

import asyncio
import json
import os
import ssl
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from cryptography import x509
from discovery_providers.certificates import write_pair
from issuer_at_work import issuing, settings_for, until
from loopback_http import ask, line_to
from prometheus_client.utils import floatToGoString

from spire_bridge.config.yaml import InvalidConfig, parse
from spire_bridge.listen.address import ListenAddress, ListenFailure, UnixAddress
from spire_bridge.listen.http import Request, text
from spire_bridge.sandbox.trust_domain import SandboxTrustDomain
from spire_bridge.sandbox.workload import Workload
from spire_bridge.service.listener import listening
from spire_bridge.service.settings.listen import ListenSettings
from spire_bridge.service.settings.serve import ServeSettings
from spire_bridge.service.status import fetch_status

WELL_KNOWN = "/.well-known/openid-configuration"
LOOPBACK = "127.0.0.1:0"
EXPIRES = "spire_bridge_certificate_expiry_timestamp_seconds"


@pytest.fixture
def folder() -> Iterator[Path]:
    """A short one: sockets are made in it."""
    with tempfile.TemporaryDirectory(prefix="sb-") as name:
        yield Path(name)


def listen(**settings: Any) -> ListenSettings:
    return msgspec.convert(settings, ListenSettings)


def kids(sandbox: SandboxTrustDomain) -> set[str]:
    return {key.key_id for key in sandbox.jwt.keys}


def expiry(certificate: Path) -> float:
    loaded = x509.load_pem_x509_certificate(certificate.read_bytes())
    return loaded.not_valid_after_utc.timestamp()


def hello(_: Request) -> Any:
    return text(200, "hello")


async def test_a_unix_socket_has_the_owner_that_was_asked_for(folder: Path) -> None:
    me = {"socket_user": str(os.getuid()), "socket_group": str(os.getgid())}
    path = folder / "s"
    async with listening(hello, listen(socket=str(path), socket_mode="0600", **me)) as listener:
        assert listener.place == UnixAddress(path, 0o600, me["socket_user"], me["socket_group"])
        assert path.stat().st_mode & 0o777 == 0o600


async def test_tls_with_the_own_svid(sandbox: SandboxTrustDomain, workload: Workload) -> None:
    settings = listen(address=LOOPBACK, tls={"svid": {"address": workload.address}})
    async with listening(hello, settings) as listener:
        place, certificates = listener.place, listener.certificates
        assert isinstance(place, ListenAddress)
        assert certificates is not None
        trusting = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        trusting.check_hostname = False  # an SVID has an ID and no host name
        trusting.load_verify_locations(cadata=sandbox.bundle.x509_der)
        async with line_to(place, trusting) as line:
            assert (await line.ask("/")).body == b"hello\n"
            shown = line.writer.get_extra_info("peercert")
        assert certificates.expiries() == {"svid": ssl.cert_time_to_seconds(shown["notAfter"])}
    assert ("URI", "spiffe://example.org/workload") in shown["subjectAltName"]


async def test_metrics_tell_when_a_certificate_expires(workload: Workload, tmp_path: Path) -> None:
    certificate, key = write_pair(tmp_path, "localhost")
    tls = {"certificate": str(certificate), "key": str(key), "interval_seconds": 0.1}
    settings = settings_for(workload, listen={"address": LOOPBACK, "tls": tls})
    async with issuing(settings) as at_work:

        async def told() -> str:
            answer = await ask(at_work.addresses.health, "/metrics")
            lines = answer.body.decode().splitlines()
            return next(line for line in lines if line.startswith(EXPIRES))

        def expected() -> str:
            labels = f'{{listener="listen",name="{certificate}"}}'
            return f"{EXPIRES}{labels} {floatToGoString(expiry(certificate))}"

        assert await told() == expected()
        write_pair(tmp_path, "localhost", days=30)
        await until(told, expected())


async def test_what_a_client_may_take_is_limited(folder: Path) -> None:
    async with listening(hello, listen(address=LOOPBACK, max_head_bytes=1024)) as listener:
        place = listener.place
        assert isinstance(place, ListenAddress)
        assert (await ask(place, "/")).status == 200
        assert (await ask(place, "/", headers={"x": "y" * 2000})).status == 431


async def test_a_proxys_word_counts_only_if_it_is_trusted(workload: Workload) -> None:
    urls = {"urls": ["https://a.example", "https://b.example"]}
    told = {"host": "a.example", "x-forwarded-host": "b.example"}
    for trusted, expected in (([], "https://a.example"), (["127.0.0.0/8"], "https://b.example")):
        settings = settings_for(
            workload, issuer=urls, listen={"address": LOOPBACK, "trusted_proxies": trusted}
        )
        async with issuing(settings) as at_work:

            async def issuer(at_work: Any = at_work) -> str | int:
                answer = await ask(at_work.addresses.issuer, WELL_KNOWN, headers=told)
                return answer.json()["issuer"] if answer.status == 200 else answer.status

            await until(issuer, expected)


async def test_a_single_issuer_is_the_same_whatever_a_request_says(
    sandbox: SandboxTrustDomain, workload: Workload
) -> None:
    async with issuing(settings_for(workload)) as at_work:
        assert isinstance(at_work.addresses.issuer, ListenAddress)
        await until(at_work.key_ids, kids(sandbox))
        plain = await ask(at_work.addresses.issuer, WELL_KNOWN)
        assert plain.json()["issuer"] == "https://issuer.example.org"
        for lie in ("host", "x-forwarded-host", "x-forwarded-proto", "forwarded"):
            answer = await ask(at_work.addresses.issuer, WELL_KNOWN, headers={lie: "evil.example"})
            assert answer.body == plain.body


async def test_status_by_a_unix_socket(workload: Workload, folder: Path) -> None:
    path = folder / "health"
    async with issuing(settings_for(workload, health={"socket": str(path)})):
        status = await asyncio.to_thread(fetch_status, UnixAddress(path), timeout_seconds=5)
    assert [issuer["name"] for issuer in status["issuers"]] == ["example.org"]


async def test_a_socket_that_systemd_did_not_pass_is_an_error() -> None:
    with pytest.raises(ListenFailure, match="no socket was passed"):
        async with listening(hello, listen(systemd="issuer")):
            pass


ACME = {"domains": ["a.example"], "terms_agreed": True}


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({}, "exactly one of `address`, `socket` and `systemd`"),
        ({"address": LOOPBACK, "systemd": "*"}, "exactly one of `address`, `socket`"),
        ({"address": LOOPBACK, "tls": {}}, "listen.tls.certificate: Expected exactly one of"),
        ({"address": LOOPBACK, "tls": {"certificate": "/a"}}, "`certificate` and `key` together"),
        ({"address": LOOPBACK, "tls": {"key": "/a", "acme": ACME}}, "`key` together"),
        ({"address": LOOPBACK, "tls": {"svid": {"address": "/a"}}}, "listen.tls.svid.address: "),
        (
            {"address": LOOPBACK, "tls": {"acme": {"domains": ["a.example"]}}},
            "listen.tls.acme.terms_agreed: Read the CA's terms",
        ),
        (
            {"address": LOOPBACK, "tls": {"acme": ACME | {"directory_url": "http://ca.example"}}},
            "listen.tls.acme.directory_url: ",
        ),
        ({"address": LOOPBACK, "trusted_proxies": ["10.0.0.1/8"]}, "listen.trusted_proxies: "),
        ({"address": LOOPBACK, "drain_seconds": 0}, "listen.drain_seconds: Expected `float` > 0"),
    ],
)
def test_a_mistake_is_located(settings: dict[str, Any], message: str) -> None:
    content = {
        "trust_domain": "example.org",
        "issuer": {"url": "https://issuer.example.org"},
        "sources": [{"name": "a", "file": {"path": "/b"}}],
        "listen": settings,
    }
    with pytest.raises(InvalidConfig) as caught:
        parse(json.dumps(content).encode(), ServeSettings, name="issuer.yaml")
    assert message in caught.value.message


def test_a_socket_of_systemd_is_found_by_name_or_as_the_only_one() -> None:
    assert str(listen(systemd="issuer").place()) == "activated:issuer"
    assert str(listen(systemd="*").place()) == "activated"
