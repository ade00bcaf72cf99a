"""The reference's configuration file: what it holds, and what is wrong with it, in order."""

from __future__ import annotations

from pathlib import Path

import pytest

from spire_bridge.config.hcl import InvalidHcl
from spire_bridge.service.drop_in.discovery_provider.config import (
    OdpConfig,
    load_odp_config,
    parse_odp_config,
)

ROOT = Path(__file__).parents[3]


def read(text: str) -> OdpConfig:
    return parse_odp_config(text, name="odp.conf")


ACME = 'acme { email = "ops@domain.test"\n tos_accepted = true }'
CERT = 'serving_cert_file { cert_file_path = "/c.pem"\n key_file_path = "/k.pem" }'
SERVER = 'server_api { address = "unix:///run/spire/api.sock" }'
WORKLOAD = 'workload_api { socket_path = "/run/agent.sock"\n trust_domain = "example.org" }'


@pytest.mark.parametrize("listener", [ACME, CERT, 'listen_socket_path = "/run/odp.sock"'])
@pytest.mark.parametrize("source", [SERVER, WORKLOAD, 'file { path = "/b.json" }'])
def test_documented_combinations_are_taken(listener: str, source: str) -> None:
    config = read(f'log_level = "debug"\ndomains = ["domain.test"]\n{listener}\n{source}')
    assert config.domains == ("domain.test",)
    assert config.source.poll_seconds == 10.0
    assert config.log_level == "debug"
    assert config.ignored == ()


def test_defaults_are_the_documented_ones() -> None:
    config = read(f'domains = ["a", "a"]\n{CERT}\n{WORKLOAD}\nhealth_checks {{}}\nnew = 1')
    assert config.domains == ("a",)
    assert config.serving_cert_file is not None
    assert config.serving_cert_file.address == ":443"
    assert config.serving_cert_file.sync_seconds == 60.0
    assert config.health_checks is not None
    checks = config.health_checks
    assert (checks.port, checks.ready_path, checks.live_path) == (8008, "/ready", "/live")
    assert config.log_level == "info"
    assert config.ignored == ("new",)
    acme = read(f'domains = ["a"]\n{ACME}\n{SERVER}').acme
    assert acme is not None
    assert acme.cache_dir == "./.acme-cache"


# Each text mends what the one before was refused for.
IN_ORDER = [
    ("domains = [", "unable to decode configuration"),
    ('insecure_addr = ":80"\nacme {}\nserving_cert_file {}', "at least one domain"),
    ('domains = ["a"]\ninsecure_addr = ":80"\nacme {}', "insecure_addr and the acme section"),
    ('domains = ["a"]\nacme {}\nserving_cert_file {}', "tos_accepted must be set to true"),
    ('domains = ["a"]\nacme { tos_accepted = true }', "email must be configured"),
    (f'domains = ["a"]\n{ACME}\nserving_cert_file {{}}', "cert_file_path must be configured"),
    ('domains = ["a"]\nserving_cert_file { cert_file_path = "c" }', "key_file_path must be"),
    (
        f'domains = ["a"]\n{CERT}\nserving_cert_file {{ file_sync_interval = "x" }}',
        "invalid file_sync_interval",
    ),
    ('domains = ["a"]\nserver_api { poll_interval = "1" }', "invalid poll_interval in the server"),
    ('domains = ["a"]\nworkload_api {}', "trust_domain must be configured"),
    ('domains = ["a"]\nfile { poll_interval = "1" }', "invalid poll_interval in the file"),
    (
        'domains = ["a"]\nexperimental { listen_named_pipe_name = "p" }',
        "experimental.listen_named_pipe_name is for Windows only",
    ),
    (
        'domains = ["a"]\nserver_api { experimental { named_pipe_name = "p" } }',
        "server_api.experimental.named_pipe_name is for Windows only",
    ),
    ('domains = ["a"]\nserver_api {}', "either acme, serving_cert_file, insecure_addr or"),
    (f'domains = ["a"]\n{ACME}\n{CERT}', "acme and serving_cert_file are mutually exclusive"),
    ('domains = ["a"]\ninsecure_addr = ":80"\nserver_api {}', "address must be configured"),
    (
        'domains = ["a"]\ninsecure_addr = ":80"\nserver_api { address = "/s" }',
        "address must use the unix name system",
    ),
    (
        'domains = ["a"]\ninsecure_addr = ":80"\nworkload_api { trust_domain = "a" }',
        "socket_path must be configured",
    ),
    ('domains = ["a"]\ninsecure_addr = ":80"', "exactly one of the server_api"),
    (f'domains = ["a"]\ninsecure_addr = ":80"\n{SERVER}\n{WORKLOAD}', "mutually exclusive"),
    (f'domains = ["a"]\n{CERT}\n{SERVER}\njwt_issuer = "a.test"', "must contain a scheme"),
    (f'domains = ["a"]\n{CERT}\n{SERVER}\njwt_issuer = "https:///a"', "must contain a host"),
    (f'domains = ["a"]\n{CERT}\n{SERVER}\njwt_issuer = "https://a/%zz"', "jwt_issuer url could"),
    (f'domains = ["a"]\n{CERT}\n{SERVER}\njwks_uri = "/keys"', "the jwks_uri setting could"),
]


@pytest.mark.parametrize(("text", "problem"), IN_ORDER)
def test_the_first_problem_is_told_in_the_words_of_the_reference(text: str, problem: str) -> None:
    with pytest.raises(InvalidHcl) as caught:
        read(text)
    assert problem in caught.value.message
    assert caught.value.exit_status == 1


def test_variables_are_expanded_on_demand(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ODP_DOMAIN", "domain.test")
    file = tmp_path / "odp.conf"
    file.write_text(f'domains = ["${{ODP_DOMAIN}}"]\n{CERT}\n{SERVER}')
    assert load_odp_config(file, expand_env=True).domains == ("domain.test",)
    assert load_odp_config(file, expand_env=False).domains == ("${ODP_DOMAIN}",)
