"""The reference's configurations as native YAML: what is served stays the same."""

from __future__ import annotations

import asyncio
import json
import ssl
import urllib.request
from pathlib import Path
from typing import Any

import pytest
import yaml
from child_process import free_port
from discovery_providers.certificates import write_pair
from discovery_providers.configurations import Configuration, configurations, written
from forgery.tokens import ec_key, jwk, jwk_set
from issuer_at_work import issuing, until
from loopback_http import ask

from spire_bridge.config.yaml import InvalidConfig, parse
from spire_bridge.listen.address import ListenAddress
from spire_bridge.service.drop_in.discovery_provider.config import parse_odp_config
from spire_bridge.service.drop_in.discovery_provider.convert import Converted, convert_odp
from spire_bridge.service.settings.serve import ServeSettings

WELL_KNOWN = "/.well-known/openid-configuration"
FILE = {"path": "/var/lib/bundle.json"}
PLAIN: dict[str, Any] = {"domains": ["domain.test"], "insecure_addr": ":8080", "file": FILE}


def converted(options: dict[str, Any], form: str = "hcl") -> Converted:
    config = parse_odp_config(written(options, form), name="odp.conf")
    return convert_odp(config, name="odp.conf", trust_domain="example.org")


def native(options: dict[str, Any], form: str = "hcl") -> Any:
    return yaml.safe_load(converted(options, form).yaml)


def has_native_form(configuration: Configuration) -> bool:
    """No issuer that a cloud would refuse, and no prefix that leads nowhere."""
    options = configuration.options
    issuer = str(options.get("jwt_issuer", "https://x"))
    prefix, jwks_uri = options.get("server_path_prefix") or "/", options.get("jwks_uri")
    return (
        issuer.lower().startswith("https:")
        and not set(issuer) & set("?#")
        and prefix.startswith("/")
        and (" " not in prefix or "jwt_issuer" in options)
        and (jwks_uri is None or jwks_uri.lower().startswith("https:"))
    )


@pytest.mark.parametrize("configuration", configurations(40), ids=str)
def test_what_can_be_converted_loads(configuration: Configuration) -> None:
    listener: Any = {
        "insecure_addr": "127.0.0.1:8080",
        "listen_socket_path": "/run/odp.sock",
        "serving_cert_file": {"cert_file_path": "/c", "key_file_path": "/k"},
    }[configuration.listener]
    options = {**configuration.options, configuration.listener: listener, "file": FILE}
    if has_native_form(configuration):
        text = converted(options, configuration.form).yaml
        assert parse(text.encode(), ServeSettings, name="x").trust_domain == "example.org"
    else:
        with pytest.raises(InvalidConfig):
            converted(options, configuration.form)


@pytest.mark.parametrize(
    ("options", "issuer"),
    [
        ({}, {"url": "https://domain.test", "use": "none"}),
        ({"set_key_use": True}, {"url": "https://domain.test"}),
        (
            {"domains": ["a.test", "b.test"], "server_path_prefix": "/x/"},
            {"urls": ["https://a.test/x", "https://b.test/x"], "use": "none"},
        ),
        (
            {"jwt_issuer": "https://i.test/y", "server_path_prefix": "/y"},
            {"url": "https://i.test/y", "use": "none"},
        ),
        (
            {"jwt_issuer": "https://i.test/y", "jwks_uri": "https://k.test/keys"},
            {
                "url": "https://i.test/y",
                "path": "/",
                "jwks_uri": "https://k.test/keys",
                "use": "none",
            },
        ),
    ],
)
def test_the_issuer(options: dict[str, Any], issuer: dict[str, Any]) -> None:
    assert native(PLAIN | options)["issuer"] == issuer


@pytest.mark.parametrize(
    ("section", "source"),
    [
        (
            {"server_api": {"address": "unix:///run/api.sock", "poll_interval": "100ms"}},
            {"server_api": {"address": "unix:///run/api.sock", "interval_seconds": 0.5}},
        ),
        (
            {"workload_api": {"socket_path": "/run/a.sock", "trust_domain": "example.org"}},
            {"workload_api": {"address": "unix:///run/a.sock"}},
        ),
    ],
)
def test_the_source(section: dict[str, Any], source: dict[str, Any]) -> None:
    (only,) = native({k: v for k, v in PLAIN.items() if k != "file"} | section)["sources"]
    del only["name"]
    assert only == source


def test_certificates_by_acme() -> None:
    options = {k: v for k, v in PLAIN.items() if k != "insecure_addr"}
    acme = {"email": "a@domain.test", "tos_accepted": True, "cache_dir": ""}
    assert native(options | {"acme": acme})["listen"]["tls"]["acme"] == {
        "domains": ["domain.test"],
        "email": "a@domain.test",
        "terms_agreed": True,
    }


def test_what_the_native_configuration_does_not_say_is_told() -> None:
    health = {"bind_port": 9000}
    notes = converted(
        PLAIN | {"log_path": "/x", "log_requests": True, "health_checks": health, "odd": 1}
    ).notes
    for option in ("log_path", "log_requests", "health_checks", "odd", "X-Forwarded-Host"):
        assert any(option in note for note in notes)


def test_a_trust_domain_has_to_come_from_somewhere() -> None:
    config = parse_odp_config(written(PLAIN), name="odp.conf")
    with pytest.raises(InvalidConfig, match="does not name the trust domain"):
        convert_odp(config, name="odp.conf")


async def test_the_converted_one_serves_the_same(tmp_path: Path) -> None:
    bundle = tmp_path / "bundle.json"
    bundle.write_bytes(jwk_set(jwk(ec_key(1), kid="one", use="jwt-svid")))
    certificate, key = write_pair(tmp_path, "domain.test")
    port = free_port()
    options = {
        "domains": ["domain.test"],
        "server_path_prefix": "/x",
        "set_key_use": True,
        "serving_cert_file": {
            "cert_file_path": str(certificate),
            "key_file_path": str(key),
            "addr": f"127.0.0.1:{port}",
        },
        "file": {"path": str(bundle)},
    }
    settings = parse(converted(options).yaml.encode(), ServeSettings, name="x")
    async with issuing(settings) as at_work:
        assert isinstance(at_work.addresses.health, ListenAddress)

        async def status() -> int:
            return (await ask(at_work.addresses.health, "/readyz")).status

        await until(status, 200)
        trusting = ssl.create_default_context()
        trusting.check_hostname, trusting.verify_mode = False, ssl.CERT_NONE

        def get(path: str) -> Any:
            request = urllib.request.Request(
                f"https://127.0.0.1:{port}/x{path}", headers={"Host": "domain.test"}
            )
            with urllib.request.urlopen(request, context=trusting, timeout=5) as answer:
                return json.loads(answer.read())

        document = await asyncio.to_thread(get, WELL_KNOWN)
        keys = await asyncio.to_thread(get, "/keys")
    assert document["issuer"] == "https://domain.test/x"
    assert document["jwks_uri"] == "https://domain.test/x/keys"
    assert [(k["kid"], k["use"], k["alg"]) for k in keys["keys"]] == [("one", "sig", "ES256")]
