"""Pebble, the ACME server for tests, with a name server that knows every name as 127.0.0.1."""

from __future__ import annotations

import datetime
import json
import os
import shutil
import socket
import ssl
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path

import pytest
from child_process import LOOPBACK, Daemon, free_port
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

_PROGRAMS = ("pebble", "pebble-challtestsrv")


@dataclass(frozen=True)
class Pebble:
    """A CA that asks for its proofs at `tls_port` and `http_port` of 127.0.0.1.

    `ca_file` vouches for its directory, not for its certificates: that is `root_pem`.
    """

    directory_url: str
    ca_file: Path
    tls_port: int
    http_port: int
    root_pem: str


def pebble_or_skip() -> None:
    """Skips the test where the programs are absent (Debian has them in the package pebble)."""
    missing = [name for name in _PROGRAMS if shutil.which(name) is None]
    if missing:
        pytest.skip(f"{' and '.join(missing)} not found on PATH")


@contextmanager
def running_pebble(
    folder: Path, *, api_port: int = 0, tls_port: int = 0, **variables: str
) -> Iterator[Pebble]:
    """A port that is 0 is chosen here.

    `variables` are Pebble's own, without their prefix: WFE_NONCEREJECT="50".
    """
    free: set[int] = set()
    while len(free) < 6:
        free.add(free_port())
    api, management, names, control, http_port, proofs = free
    api, tls_port = api_port or api, tls_port or proofs
    certificate, key = _server_certificate(folder)
    config = {
        "listenAddress": f"{LOOPBACK}:{api}",
        "managementListenAddress": f"{LOOPBACK}:{management}",
        "certificate": str(certificate),
        "privateKey": str(key),
        "httpPort": http_port,
        "tlsPort": tls_port,
    }
    file = folder / "pebble.json"
    file.write_text(json.dumps({"pebble": config}))
    settings = {"VA_NOSLEEP": "1", "AUTHZREUSE": "0", "VA_ALWAYS_VALID": "0", **variables}
    environment = os.environ | {f"PEBBLE_{name}": value for name, value in settings.items()}
    name_server = Daemon(
        [
            "pebble-challtestsrv", "-dns01", f"{LOOPBACK}:{names}", "-defaultIPv6", "",
            "-http01", "", "-https01", "", "-tlsalpn01", "", "-management", f"{LOOPBACK}:{control}",
        ],
        folder / "names.log",
    )  # fmt: skip
    pebble = Daemon(
        ["pebble", "-strict", "-config", file, "-dnsserver", f"{LOOPBACK}:{names}"],
        folder / "pebble.log",
        environment,
    )
    with ExitStack() as stack:
        stack.callback(name_server.stop)
        name_server.start(lambda: _listens(names))
        stack.callback(pebble.stop)
        pebble.start(lambda: _listens(api) and _listens(management))
        root = _get(f"https://{LOOPBACK}:{management}/roots/0", certificate)
        url = f"https://{LOOPBACK}:{api}/dir"
        yield Pebble(url, certificate, tls_port, http_port, root)


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex((LOOPBACK, port)) == 0


def _get(url: str, ca_file: Path) -> str:
    context = ssl.create_default_context(cafile=str(ca_file))
    with urllib.request.urlopen(url, context=context) as answer:
        text: str = answer.read().decode()
        return text


def _server_certificate(folder: Path) -> tuple[Path, Path]:
    """For Pebble's own HTTPS, self-signed."""
    key, now = ec.generate_private_key(ec.SECP256R1()), datetime.datetime.now(datetime.UTC)
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "pebble")])
    identifier = x509.SubjectKeyIdentifier.from_public_key(key.public_key())
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(hours=1))
        .not_valid_after(now + datetime.timedelta(hours=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address(LOOPBACK))]), False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), True)
        .add_extension(identifier, False)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(identifier), False
        )
        .sign(key, hashes.SHA256())
    )
    files = folder / "pebble-cert.pem", folder / "pebble-key.pem"
    files[0].write_bytes(certificate.public_bytes(Encoding.PEM))
    files[1].write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    return files
