"""`fetch` against the sandbox, as a process."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
from pathlib import Path
from typing import Any

import jwt as pyjwt
import pytest
from command_line import PROGRAM, SLOW_TO_LOAD, environment, loaded
from cryptography import x509
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from spire_bridge.sandbox.entry import Entry
from spire_bridge.sandbox.faults import Fault
from spire_bridge.sandbox.trust_domain import SandboxTrustDomain
from spire_bridge.sandbox.workload import Workload

WEB = Entry("spiffe://example.org/web", hint="internal")


def claims(token: str) -> dict[str, Any]:
    content: dict[str, Any] = pyjwt.decode(token, options={"verify_signature": False})
    return content


async def test_a_token_stands_alone_on_standard_output(cli: Any) -> None:
    ended = await cli("fetch", "jwt", "--audience", "db")
    assert ended.status == 0
    [token] = ended.out.splitlines()
    assert claims(token)["sub"] == "spiffe://example.org/workload"
    assert claims(token)["aud"] == ["db"]
    assert ended.err.startswith("spiffe://example.org/workload  audience db  expires in ")
    assert token not in ended.err


async def test_a_token_comes_without_what_is_slow_to_load(workload: Workload) -> None:
    workload.register(WEB)
    for more in ((), ("--output", "json"), ("--hint", "internal")):
        words = ("fetch", "jwt", "--audience", "db", "--socket", workload.address, *more)
        modules = await asyncio.to_thread(loaded, *words)
        assert "spire_bridge.workload.quick_fetch" in modules
        assert modules.isdisjoint(SLOW_TO_LOAD)


async def test_a_denial_comes_without_what_is_slow_to_load(workload: Workload) -> None:
    workload.fault = Fault.PERMISSION_DENIED
    words = ("fetch", "jwt", "--audience", "db", "--socket", workload.address)
    modules = await asyncio.to_thread(loaded, *words)
    assert modules.isdisjoint(SLOW_TO_LOAD)


async def test_one_token_for_each_identity(cli: Any, workload: Workload) -> None:
    workload.register(WEB)
    ended = await cli("fetch", "jwt", "--audience", "a", "--audience", "b")
    tokens = [claims(token) for token in ended.out.splitlines()]
    assert [token["sub"] for token in tokens] == [
        "spiffe://example.org/workload",
        "spiffe://example.org/web",
    ]
    assert all(token["aud"] == ["a", "b"] for token in tokens)
    assert "hint internal" in ended.err


@pytest.mark.parametrize(
    "which", [("--spiffe-id", "spiffe://example.org/web"), ("--hint", "internal")]
)
async def test_one_token_of_several(cli: Any, workload: Workload, which: tuple[str, str]) -> None:
    workload.register(WEB)
    ended = await cli("fetch", "jwt", "--audience", "db", *which)
    [token] = ended.out.splitlines()
    assert claims(token)["sub"] == "spiffe://example.org/web"


async def test_tokens_as_json(cli: Any, workload: Workload) -> None:
    workload.register(WEB)
    ended = await cli("fetch", "jwt", "--audience", "db", "--output", "json")
    assert (ended.status, ended.err) == (0, "")
    first, second = ended.json()["svids"]
    assert second["spiffe_id"] == "spiffe://example.org/web"
    assert second["hint"] == "internal"
    assert first["expires_at"] == claims(first["token"])["exp"]


@pytest.mark.parametrize(
    ("fault", "status", "code"),
    [
        (Fault.PERMISSION_DENIED, 3, "PERMISSION_DENIED"),
        (Fault.UNAVAILABLE, 4, "UNAVAILABLE"),
        (Fault.HANG, 4, "DEADLINE_EXCEEDED"),
        (Fault.UNIMPLEMENTED, 1, "UNIMPLEMENTED"),
        (Fault.INVALID_ARGUMENT, 1, "INVALID_ARGUMENT"),
        (Fault.WRONG_AUDIENCE, 1, None),
        (Fault.EXPIRED, 1, None),
        (Fault.MALFORMED, 1, None),
        (Fault.GARBAGE, 1, None),
    ],
)
async def test_an_agent_at_fault_is_one_line_and_a_status(
    cli: Any, workload: Workload, fault: Fault, status: int, code: str | None
) -> None:
    workload.fault = fault
    ended = await cli("fetch", "jwt", "--audience", "db", "--timeout", "1s")
    assert ended.status == status, ended.err
    assert ended.error == (code or ended.error)


@pytest.mark.parametrize("command", ["x509", "bundles"])
@pytest.mark.parametrize("fault", [Fault.GARBAGE, Fault.MALFORMED])
async def test_nonsense_is_one_line_everywhere(
    cli: Any, workload: Workload, command: str, fault: Fault
) -> None:
    workload.fault = fault
    ended = await cli("fetch", command)
    assert ended.status == 1
    assert all(line.startswith(("error[", "  hint: ")) for line in ended.err.splitlines())


async def test_no_identity_is_not_permitted(cli: Any, workload: Workload) -> None:
    workload.deregister("spiffe://example.org/workload")
    for command in (["jwt", "--audience", "db"], ["x509"], ["bundles"]):
        ended = await cli("fetch", *command)
        assert (ended.status, ended.error) == (3, "PERMISSION_DENIED")


async def test_a_hint_that_nobody_has_is_not_permitted(cli: Any, workload: Workload) -> None:
    workload.register(WEB)
    ended = await cli("fetch", "jwt", "--audience", "db", "--hint", "external")
    assert (ended.status, ended.error) == (3, "HINT_NOT_FOUND")
    assert "hints that the agent sent: internal" in ended.err


async def test_an_agent_that_is_not_there(cli: Any, tmp_path: Path) -> None:
    file = tmp_path / "file"
    os.mknod(file)
    for address, status, code in (
        ("unix:///nowhere/agent.sock", 4, "SOCKET_MISSING"),
        (f"unix://{tmp_path}", 2, "SOCKET_WRONG_TYPE"),
        (f"unix://{file}", 2, "SOCKET_WRONG_TYPE"),
        ("tcp://127.0.0.1:1", 4, "UNAVAILABLE"),
        ("/run/agent.sock", 2, "ENDPOINT_ADDRESS_INVALID"),
        ("tcp://localhost:1", 2, "ENDPOINT_ADDRESS_INVALID"),
    ):
        ended = await cli("fetch", "jwt", "--audience", "db", "--socket", address)
        assert (ended.status, ended.error) == (status, code)
    ended = await cli("fetch", "jwt", "--audience", "db", SPIFFE_ENDPOINT_SOCKET="")
    assert (ended.status, ended.error) == (2, "ENDPOINT_ADDRESS_INVALID")


async def test_a_socket_that_speaks_something_else(cli: Any, workload: Workload) -> None:
    path = workload.socket_path.parent / "mute.sock"
    with socket.socket(socket.AF_UNIX) as mute:
        mute.bind(str(path))
        mute.listen()
        ended = await cli(
            "fetch", "jwt", "--audience", "db", "--timeout", "1s", "--socket", f"unix://{path}"
        )
    assert (ended.status, ended.error) in {(4, "DEADLINE_EXCEEDED"), (4, "UNAVAILABLE")}


async def test_the_option_beats_the_environment(cli: Any, workload: Workload) -> None:
    ended = await cli(
        "fetch",
        "jwt",
        "--audience",
        "db",
        "--socket",
        workload.address,
        SPIFFE_ENDPOINT_SOCKET="unix:///nowhere.sock",
    )
    assert ended.status == 0


async def test_ctrl_c_while_the_agent_is_silent(workload: Workload) -> None:
    workload.fault = Fault.HANG
    process = await asyncio.create_subprocess_exec(
        *PROGRAM,
        *("fetch", "jwt", "--audience", "db", "--socket", workload.address),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env=environment(),
    )
    await asyncio.sleep(1)
    process.send_signal(signal.SIGINT)
    async with asyncio.timeout(5):
        out, err = await process.communicate()
    assert (process.returncode, out, err) == (130, b"", b"")


async def test_x509_in_words_and_as_json(cli: Any, workload: Workload) -> None:
    workload.register(WEB)
    ended = await cli("fetch", "x509")
    assert (ended.status, ended.err) == (0, "")
    first, second, bundle = ended.out.splitlines()
    assert first.startswith("spiffe://example.org/workload  expires in ")
    assert second.endswith("  hint internal")
    assert bundle == "bundle of example.org: 1 authority"
    ended = await cli("fetch", "x509", "--output", "json")
    content = ended.json()
    assert [svid["spiffe_id"] for svid in content["svids"]] == [
        "spiffe://example.org/workload",
        "spiffe://example.org/web",
    ]
    assert "PRIVATE KEY" not in ended.out
    for pem in (content["svids"][0]["certificates"], content["bundles"]["example.org"]):
        assert x509.load_pem_x509_certificates(pem.encode())


def written(folder: Path) -> dict[str, int]:
    """The files in a folder with their modes."""
    return {path.name: path.stat().st_mode & 0o777 for path in folder.iterdir()}


async def test_x509_files(
    cli: Any, sandbox: SandboxTrustDomain, workload: Workload, tmp_path: Path
) -> None:
    async with SandboxTrustDomain("other.org") as other:
        sandbox.federate(other)
        workload.register(Entry("spiffe://example.org/web", federates_with=("other.org",)))
        folder = tmp_path / "tls"
        ended = await cli("fetch", "x509", "--write", str(folder))
    assert ended.status == 0, ended.err
    assert written(folder) == {
        "svid.0.key": 0o600,
        "svid.0.pem": 0o644,
        "bundle.0.pem": 0o644,
        "svid.1.key": 0o600,
        "svid.1.pem": 0o644,
        "bundle.1.pem": 0o644,
        "federated_bundle.other.org.pem": 0o644,
    }
    assert sorted(ended.err.splitlines()) == [f"wrote {p}" for p in sorted(listed(folder))]
    certificate = x509.load_pem_x509_certificate(content(folder / "svid.1.pem"))
    key = load_pem_private_key(content(folder / "svid.1.key"), password=None)
    assert certificate.public_key() == key.public_key()
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.UniformResourceIdentifier) == [WEB.spiffe_id]


def listed(folder: Path) -> list[str]:
    return [str(path) for path in folder.iterdir()]


def content(file: Path) -> bytes:
    return file.read_bytes()


@pytest.fixture
def occupied(tmp_path: Path) -> Path:
    """A folder with a key that everybody may read, and links where files are to be."""
    (tmp_path / "svid.0.key").write_text("old")
    (tmp_path / "svid.0.key").chmod(0o644)
    (tmp_path / "elsewhere").write_text("untouched")
    (tmp_path / "svid.0.pem").symlink_to(tmp_path / "elsewhere")
    return tmp_path


async def test_files_are_replaced_never_written_into(cli: Any, occupied: Path) -> None:
    ended = await cli("fetch", "x509", "--write", str(occupied))
    assert ended.status == 0
    assert written(occupied)["svid.0.key"] == 0o600
    assert content(occupied / "elsewhere") == b"untouched"
    assert b"BEGIN CERTIFICATE" in content(occupied / "svid.0.pem")
    assert not [name for name in written(occupied) if name.startswith(".")]


@pytest.mark.parametrize("folder", ["absent/tls", "elsewhere", "svid.0.pem"])
async def test_a_folder_that_takes_nothing(cli: Any, occupied: Path, folder: str) -> None:
    before = written(occupied)
    for output in ("text", "json"):
        ended = await cli("fetch", "x509", "--write", str(occupied / folder), "--output", output)
        assert ended.status == 1
        if output == "text":
            assert ended.error == "FILE_FAILED"
        else:
            assert json.loads(ended.err)["error"]["code"] == "FILE_FAILED"
    assert written(occupied) == before


async def test_bundles(cli: Any, sandbox: SandboxTrustDomain) -> None:
    [key] = sandbox.jwt.keys
    ended = await cli("fetch", "bundles")
    assert ended.out.splitlines() == [
        "example.org: 1 JWT key, 1 X.509 authority",
        f"  {key.key_id}  RS256",
    ]
    sandbox.jwt.prepare()
    sandbox.x509.prepare()
    ended = await cli("fetch", "bundles")
    assert ended.out.splitlines()[0] == "example.org: 2 JWT keys, 2 X.509 authorities"
    ended = await cli("fetch", "bundles", "--output", "json")
    bundle = ended.json()["example.org"]
    assert [k["kid"] for k in bundle["jwt_keys"]["keys"]] == [k.key_id for k in sandbox.jwt.keys]
    assert len(x509.load_pem_x509_certificates(bundle["x509_authorities"].encode())) == 2


async def test_a_refused_bundle_does_not_hide_the_others(cli: Any, workload: Workload) -> None:
    workload.jwks = b'{"keys": [{"kty": "oct", "k": "c2VjcmV0"}]}'
    ended = await cli("fetch", "bundles", "--output", "json")
    assert ended.status == 1
    assert "example.org" in ended.json()
    assert ended.err.startswith("error[BUNDLE_INVALID]: ")
    assert "c2VjcmV0" not in ended.out + ended.err
