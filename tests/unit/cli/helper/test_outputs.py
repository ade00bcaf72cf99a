"""The files that the helper keeps: whose they are, what they hold, how they stay."""

from __future__ import annotations

import base64
import json
import os
import signal
import socket
import stat
from pathlib import Path
from typing import Any

import pytest
from command_line import run
from cryptography import x509
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from secrets_sought import SecretsSought

from spire_bridge.sandbox.cluster import Cluster
from spire_bridge.sandbox.entry import Entry
from spire_bridge.sandbox.trust_domain import SandboxTrustDomain
from spire_bridge.sandbox.workload import Workload


def jwt(
    path: Path | str, audience: str = "sts", name: str = "token", **more: Any
) -> dict[str, Any]:
    identity = {key: more.pop(key) for key in ("hint", "spiffe_id") if key in more}
    kind = {"audience": [audience], **identity}
    return {"name": name, "jwt": kind, "path": str(path), **more}


def pair(folder: Path, **more: Any) -> dict[str, Any]:
    files = {name: {"path": str(folder / name)} for name in ("certificates", "key", "bundle")}
    return {"name": "pair", "x509": {}, "files": files, **more}


def claims(token: Path) -> dict[str, Any]:
    body = token.read_text().split(".")[1]
    found: dict[str, Any] = json.loads(base64.urlsafe_b64decode(body + "=="))
    return found


def mode_of(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}


def open_to_everybody(folder: Path) -> None:
    folder.chmod(0o777)


@pytest.mark.parametrize("umask", [0o000, 0o077, 0o777])
async def test_every_kind_with_its_mode_whatever_the_umask(
    configure: Any, start: Any, out: Path, umask: int
) -> None:
    bundles = {"name": "keys", "jwt_bundles": {}, "path": str(out / "keys"), "mode": "0644"}
    folder = out / "switched"
    files = {name: {"path": f"tls.{name}"} for name in ("certificates", "key", "bundle")}
    switched = {"name": "switched", "x509": {}, "folder": str(folder), "files": files}
    config = configure(
        jwt(out / "token"), bundles, pair(out), switched, folders=[{"path": str(folder)}]
    )
    helper = await start(config, umask=umask)
    await helper.until_logged("all outputs are written")
    assert (out / "token").read_bytes().count(b".") == 2
    assert not (out / "token").read_bytes().endswith(b"\n")
    assert claims(out / "token")["aud"] == ["sts"]
    assert list(json.loads((out / "keys").read_bytes())) == ["example.org"]
    for certificates, key in (
        (out / "certificates", out / "key"),
        (folder / "tls.certificates", folder / "tls.key"),
    ):
        leaf = x509.load_pem_x509_certificate(certificates.read_bytes())
        assert load_pem_private_key(key.read_bytes(), None).public_key() == leaf.public_key()
        assert (mode_of(certificates), mode_of(key)) == (0o644, 0o600)
    assert (mode_of(out / "token"), mode_of(out / "keys")) == (0o600, 0o644)
    assert mode_of(folder) == 0o755
    assert await helper.condition("token") == "fresh"
    assert (helper.said / "out").read_bytes() == b""
    assert not [name for name in contents(out) if name.startswith(".")]


async def test_links_stay_and_their_targets_are_replaced(
    configure: Any, start: Any, out: Path, tmp_path: Path
) -> None:
    target = tmp_path / "target"
    target.write_bytes(b"old")
    (out / "token").symlink_to("../target")
    (out / "early").symlink_to("../not-there-yet")
    helper = await start(configure(jwt(out / "token"), jwt(out / "early", name="early")))
    await helper.until_logged("all outputs are written")
    assert (out / "token").readlink() == Path("../target")
    assert target.read_bytes().count(b".") == 2
    assert (tmp_path / "not-there-yet").read_bytes().count(b".") == 2


async def test_places_that_are_none(configure: Any, start: Any, tmp_path: Path, out: Path) -> None:
    os.mkfifo(out / "pipe")
    (out / "folder").mkdir()
    before = Path.cwd()
    os.chdir(out)
    with socket.socket(socket.AF_UNIX) as bound:
        bound.bind("socket")
    os.chdir(before)
    open_to_all = tmp_path / "open"
    open_to_all.mkdir()
    open_to_everybody(open_to_all)
    names = ("pipe", "folder", "socket")
    outputs = [jwt(out / name, name=name) for name in names]
    outputs += [
        jwt(open_to_all / "token", name="open"),
        jwt(out / "no" / "token", name="parent"),
        jwt(out / "good", name="good"),
    ]
    helper = await start(configure(*outputs))
    await helper.until_condition("good", "fresh")
    await helper.until(lambda: len(helper.logged("output was not renewed")) >= 5)
    reasons = {
        e["output"]: (e["reason"], e["hint"]) for e in helper.logged("output was not renewed")
    }
    assert "it is a pipe" in reasons["pipe"][0]
    assert "it is a folder" in reasons["folder"][0]
    assert "it is a socket" in reasons["socket"][0]
    assert "may be written by everybody" in reasons["open"][0]
    assert "allow_shared_folders" in reasons["open"][1]
    assert "No such file" in reasons["parent"][0]
    assert stat.S_ISFIFO((out / "pipe").lstat().st_mode)
    assert list(open_to_all.iterdir()) == []
    assert await helper.condition("pipe") == "absent"
    assert helper.logged("all outputs are written") == []


async def test_folders_open_to_everybody_where_that_is_allowed(
    configure: Any, start: Any, out: Path, tmp_path: Path
) -> None:
    switched = tmp_path / "switched"
    switched.mkdir()
    for folder in (out, switched):
        open_to_everybody(folder)
    put = jwt("token", name="put", folder=str(switched))
    shared = {"folders": [{"path": str(switched)}], "allow_shared_folders": True}
    config = configure(jwt(out / "token"), put, **shared)
    helper = await start(config)
    await helper.until_logged("all outputs are written")
    assert await helper.ends(signal.SIGTERM) == 0
    for path in (out / "token", switched / "token"):
        path.unlink()
    config.others["allow_shared_folders"] = False
    helper = await start(config)
    await helper.until_condition("token", "absent")
    await helper.until(
        lambda: (
            {"token", "put"}
            <= {
                e["output"]
                for e in helper.logged("output was not renewed")
                if "everybody" in e["reason"]
            }
        )
    )
    assert not (out / "token").exists()


async def test_identities_by_hint_and_by_id(
    configure: Any, start: Any, out: Path, two_hints: Workload
) -> None:
    by_hint = [jwt(out / hint, hint=hint, name=hint) for hint in ("internal", "external")]
    internal = "spiffe://example.org/internal"
    files = {"certificates": {"path": str(out / "leaf")}}
    config = configure(
        *by_hint,
        jwt(out / "id", spiffe_id=internal, name="id"),
        jwt(out / "wrong", spiffe_id="spiffe://example.org/other", name="wrong"),
        jwt(out / "none", hint="none", name="none"),
        {"name": "pair", "x509": {"hint": "external"}, "files": files},
        address=two_hints.address,
    )
    helper = await start(config)
    for name in ("internal", "external", "id", "pair"):
        await helper.until_condition(name, "fresh")
    assert claims(out / "internal")["sub"] == claims(out / "id")["sub"] == internal
    assert claims(out / "external")["sub"] == "spiffe://example.org/external"
    leaf = x509.load_pem_x509_certificate((out / "leaf").read_bytes())
    names = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.UniformResourceIdentifier) == [
        "spiffe://example.org/external"
    ]
    await helper.until(lambda: len(helper.logged("output was not renewed")) >= 2)
    codes = {e["output"]: e["code"] for e in helper.logged("output was not renewed")}
    assert codes == {"wrong": "PERMISSION_DENIED", "none": "HINT_NOT_FOUND"}
    assert not (out / "wrong").exists()
    assert not (out / "none").exists()


async def test_an_agent_that_is_not_there_and_comes(
    configure: Any, start: Any, out: Path, cluster: Cluster
) -> None:
    await cluster.stop()
    helper = await start(configure(jwt(out / "token"), pair(out)))
    await helper.until(lambda: len(helper.logged("output was not renewed")) >= 2)
    assert await helper.condition("token") == await helper.condition("pair") == "absent"
    assert (await helper.ask("/livez")).status == 200
    await cluster.start()
    await helper.until_logged("all outputs are written")
    assert await helper.condition("token") == "fresh"


async def test_an_entry_that_comes_goes_and_comes(
    configure: Any, start: Any, out: Path, cluster: Cluster
) -> None:
    workload = await cluster.add_workload("late")
    entry = Entry("spiffe://example.org/late", jwt_ttl_seconds=3)
    helper = await start(configure(jwt(out / "token"), pair(out), address=workload.address))
    await helper.until(lambda: len(helper.logged("output was not renewed")) >= 2)
    assert {e["code"] for e in helper.logged("output was not renewed")} == {"PERMISSION_DENIED"}
    workload.register(entry)
    await helper.until_logged("all outputs are written")
    key = (out / "key").read_bytes()
    workload.deregister(entry.spiffe_id)
    for name in ("pair", "token"):
        await helper.until_condition(name, "withdrawn")
    assert (await helper.ask("/readyz")).status == 503
    assert (out / "key").read_bytes() == key
    assert (out / "token").exists()
    workload.register(entry)
    for name in ("pair", "token"):
        await helper.until_condition(name, "fresh")
    assert (out / "key").read_bytes() != key


async def test_what_expires_while_the_agent_is_away(
    configure: Any, start: Any, out: Path, cluster: Cluster
) -> None:
    entry = Entry("spiffe://example.org/short", jwt_ttl_seconds=2, x509_ttl_seconds=2)
    workload = await cluster.add_workload("short", entry)
    helper = await start(configure(jwt(out / "token"), pair(out), address=workload.address))
    await helper.until_logged("all outputs are written")
    await cluster.stop()
    for name in ("token", "pair"):
        await helper.until_condition(name, "expired")
    assert (out / "token").exists()
    metrics = (await helper.ask("/metrics")).body.decode()
    assert 'spire_bridge_output_ready{output="token"} 0' in metrics


async def test_rotations_are_written(
    configure: Any, start: Any, out: Path, sandbox: SandboxTrustDomain
) -> None:
    bundles = {"name": "keys", "jwt_bundles": {}, "path": str(out / "keys")}
    helper = await start(configure(pair(out), bundles))
    await helper.until_logged("all outputs are written")
    sandbox.x509.prepare()
    await helper.until(lambda: (out / "bundle").read_bytes().count(b"BEGIN") == 2)
    prepared = sandbox.jwt.prepare()
    await helper.until(lambda: prepared in (out / "keys").read_text())
    written = [e["output"] for e in helper.logged("output written")]
    assert (written.count("pair"), written.count("keys")) == (2, 2)


async def test_sigterm_leaves_the_files(configure: Any, start: Any, out: Path) -> None:
    helper = await start(configure(jwt(out / "token"), pair(out)))
    await helper.until_logged("all outputs are written")
    before = contents(out)
    assert await helper.ends(signal.SIGTERM) == 0
    assert contents(out) == before
    assert helper.log[-1]["message"] == "stopping"


async def test_a_restart_keeps_other_outputs_of_a_folder(
    configure: Any, start: Any, out: Path
) -> None:
    folder = out / "switched"
    files = {"folders": [{"path": str(folder)}]}
    first = jwt("first", name="first", folder=str(folder))
    second = jwt("second", name="second", folder=str(folder))
    helper = await start(configure(first, second, **files))
    await helper.until_logged("all outputs are written")
    assert await helper.ends(signal.SIGTERM) == 0
    kept = (folder / "second").read_bytes()
    second["jwt"]["hint"] = "nobody-has-it"
    helper = await start(configure(first, second, **files))
    await helper.until_condition("first", "fresh")
    assert (folder / "second").read_bytes() == kept


async def test_secrets_would_be_found(
    configure: Any, start: Any, out: Path, sought: SecretsSought
) -> None:
    """The search that follows each test here can fail."""
    helper = await start(configure(jwt(out / "token"), pair(out)))
    await helper.until_logged("all outputs are written")
    for name in ("token", "key"):
        with pytest.raises(AssertionError, match="a secret"):
            sought.check((out / name).read_text())
    sought.check(out / "certificates", out / "bundle")


async def once(file: Path, *options: str) -> Any:
    return await run("helper", "--config", str(file), "--once", *options)


async def test_once_with_every_audience(configure: Any, out: Path, sought: SecretsSought) -> None:
    outputs = [jwt(out / name, name, name) for name in ("a", "b", "c")]
    ended = await once(configure(*outputs, pair(out)).write())
    assert (ended.status, ended.out) == (0, "")
    assert [claims(out / name)["aud"] for name in ("a", "b", "c")] == [["a"], ["b"], ["c"]]
    assert (out / "key").exists()
    sought.check(ended.err)


async def test_once_waits_and_then_says_why(
    configure: Any, out: Path, cluster: Cluster, workload: Workload
) -> None:
    nobody = await cluster.add_workload("nobody")
    config = configure(jwt(out / "token"), address=nobody.address)
    ended = await once(config.write(), "--timeout", "500ms")
    assert ended.status == 3
    assert "error[PERMISSION_DENIED]" in ended.err
    await cluster.stop()
    ended = await once(configure(jwt(out / "token")).write(), "--timeout", "500ms")
    assert ended.status == 4
    assert "error[SOCKET_MISSING]" in ended.err


async def test_once_writes_what_it_can(configure: Any, out: Path) -> None:
    (out / "folder").mkdir()
    config = configure(jwt(out / "folder", name="bad"), jwt(out / "token"))
    ended = await once(config.write(), "--timeout", "10s")
    assert ended.status == 1
    assert "it is a folder" in ended.err
    assert (out / "token").exists()


async def test_a_configuration_that_is_none(tmp_path: Path) -> None:
    file = tmp_path / "helper.yaml"
    file.write_text("outputs: []\n")
    for options in ((), ("--once",)):
        ended = await run("helper", "--config", str(file), *options)
        assert ended.status == 2
        assert ended.error == "CONFIG_INVALID"
