"""Our PKCS#12 stores in Java: its keytool lists them, its TLS shows and trusts what is in them."""

from __future__ import annotations

import shutil
import subprocess
import time
from pathlib import Path

import pytest
from credential_material import WEB, x509_context

from spire_bridge.credentials.pkcs12 import KeyStore, StoreEncryption, TrustStore

pytestmark = [
    pytest.mark.timeout(120),
    pytest.mark.parametrize("encryption", list(StoreEncryption)),
]

PASSWORD = "correct-horse"
HANDSHAKE = Path(__file__).parent / "java" / "Handshake.java"


@pytest.fixture
def stores(tmp_path: Path, encryption: StoreEncryption) -> Path:
    """A folder with the stores of /web, and a trust store of somebody else."""
    now = time.time()
    context = x509_context(intermediate=True)
    (tmp_path / "key.p12").write_bytes(KeyStore(PASSWORD, "web", encryption)(context.default_svid))
    trust = TrustStore(PASSWORD, encryption=encryption)
    for name, trusted in (("trust.p12", context), ("foreign.p12", x509_context())):
        (tmp_path / name).write_bytes(trust(trusted.default_svid, trusted, now=now))
    return tmp_path


def test_keytool_lists_what_java_will_use(stores: Path) -> None:
    keys = listed(stores / "key.p12", PASSWORD)
    assert "Alias name: web\n" in keys
    assert "Entry type: PrivateKeyEntry\nCertificate chain length: 2\n" in keys
    trusted = listed(stores / "trust.p12", PASSWORD)
    assert "Alias name: authority-0\n" in trusted
    assert "Entry type: trustedCertEntry\n" in trusted
    assert "password was incorrect" in listed(stores / "key.p12", "wrong-horse")


def test_both_sides_of_a_tls_connection(stores: Path) -> None:
    assert shook_hands(stores, "trust.p12") == {f"server saw {WEB}", f"client saw {WEB}"}


def test_an_authority_of_somebody_else_is_not_trusted(stores: Path) -> None:
    said = shook_hands(stores, "foreign.p12")
    assert any(line.startswith("client refused: PKIX path") for line in said), said
    assert not any("saw" in line for line in said), said


def listed(store: Path, password: str) -> str:
    keytool = shutil.which("keytool") or pytest.skip("keytool not found on PATH")
    options = ("-list", "-v", "-storetype", "PKCS12", "-storepass", password)
    return said_by([keytool, "-J-Duser.language=en", *options, "-keystore", str(store)])


def shook_hands(stores: Path, client_trust: str) -> set[str]:
    if shutil.which("javac") is None:  # it compiles the program that java is given
        pytest.skip("no Java development kit found on PATH")
    java = shutil.which("java") or pytest.skip("java not found on PATH")
    files = (str(stores / name) for name in ("key.p12", "trust.p12", client_trust))
    return set(said_by([java, str(HANDSHAKE), *files, PASSWORD]).splitlines())


def said_by(command: list[str]) -> str:
    ended = subprocess.run(command, capture_output=True, text=True, timeout=100)
    assert not ended.stderr, ended.stderr
    return ended.stdout
