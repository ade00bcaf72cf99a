"""A disk that fills up in mid-write: what was there stays, and is renewed once there is room."""

from __future__ import annotations

import resource
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from helper_in_process import helper_settings, helping_here

from spire_bridge.sandbox.entry import Entry
from spire_bridge.sandbox.trust_domain import SandboxTrustDomain


@contextmanager
def full_disk() -> Iterator[None]:
    """No file may grow over a few bytes, which fails in mid-write as a full disk does."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def held(folder: Path) -> dict[str, bytes]:
    return {p.name: p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


async def test_what_was_there_stays(tmp_path: Path) -> None:
    out, switched = tmp_path / "out", tmp_path / "switched"
    out.mkdir()
    names = ("certificates", "key", "bundle")
    plain = {name: {"path": str(out / name)} for name in names}
    put = {name: {"path": name} for name in names}
    async with SandboxTrustDomain("example.org") as sandbox:
        entry = Entry("spiffe://example.org/w")
        workload = await (await sandbox.start_cluster("east")).add_workload("w", entry)
        settings = helper_settings(
            workload.address,
            {"name": "plain", "x509": {}, "files": plain},
            {"name": "switched", "x509": {}, "folder": str(switched), "files": put},
            folders=[{"path": str(switched)}],
        )
        async with helping_here(settings) as helper:
            await helper.until(lambda: all(state.writes for state in helper.states))
            before = held(out), held(switched)
            with full_disk():
                sandbox.x509.prepare()  # another bundle
                await helper.until(lambda: all(state.failures for state in helper.states))
                assert (held(out), held(switched)) == before
                conditions = {s.condition(0) for s in helper.states}
                assert conditions == {"failing"}
                codes = {state.error.code for state in helper.states if state.error}
                assert codes == {"FILE_FAILED"}
            await helper.until(lambda: {state.writes for state in helper.states} == {2})
            for folder, old in zip((out, switched), before, strict=True):
                assert held(folder)["bundle"].count(b"BEGIN") == 2
                assert held(folder)["key"] == old["key"]
                assert len(held(folder)) == len(old)
