"""Agents go away and come back; the sandbox leaves nothing behind and stays on this machine."""

from __future__ import annotations

import asyncio
import logging
import stat
from pathlib import Path
from typing import Any

import grpc
import grpc.aio
import pytest
from trust_domains.plain_client import SECURITY_HEADER, plain_stub

from spire_bridge._proto import workload_pb2 as pb
from spire_bridge._proto.workload_pb2_grpc import SpiffeWorkloadAPIStub
from spire_bridge.sandbox.cluster import Cluster
from spire_bridge.sandbox.entry import Entry
from spire_bridge.sandbox.errors import SandboxError
from spire_bridge.sandbox.faults import Fault
from spire_bridge.sandbox.jwt_authority import KeyType
from spire_bridge.sandbox.trust_domain import SandboxTrustDomain
from spire_bridge.sandbox.workload import Workload

WEB = Entry("spiffe://example.org/web")


def bundles(stub: SpiffeWorkloadAPIStub) -> Any:
    return stub.FetchJWTBundles(pb.JWTBundlesRequest(), metadata=SECURITY_HEADER, timeout=20)


class TestRestart:
    async def test_open_streams_become_unavailable_and_the_socket_goes(
        self, cluster: Cluster, workload: Workload, stub: SpiffeWorkloadAPIStub
    ) -> None:
        stream = bundles(stub)
        await stream.read()
        await cluster.stop()
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await stream.read()
        assert caught.value.code() is grpc.StatusCode.UNAVAILABLE
        assert not workload.socket_path.exists()

    async def test_it_comes_back_at_the_same_address(
        self, cluster: Cluster, workload: Workload, stub: SpiffeWorkloadAPIStub
    ) -> None:
        before, address = await bundles(stub).read(), workload.address
        for _ in range(3):
            await cluster.stop()
            await cluster.start()
        assert workload.address == address
        async with plain_stub(address) as new_stub:
            assert await bundles(new_stub).read() == before

    async def test_stop_and_start_twice_are_once(
        self, cluster: Cluster, workload: Workload, stub: SpiffeWorkloadAPIStub
    ) -> None:
        await cluster.start()
        await cluster.stop()
        await cluster.stop()
        await cluster.start()
        await cluster.start()
        async with plain_stub(workload.address) as new_stub:
            assert await bundles(new_stub).read()

    async def test_a_workload_added_meanwhile_is_served_from_the_start(
        self, cluster: Cluster
    ) -> None:
        await cluster.stop()
        late = await cluster.add_workload("late", WEB)
        assert not late.socket_path.exists()
        await cluster.start()
        async with plain_stub(late.address) as stub:
            assert await bundles(stub).read()

    async def test_a_tcp_address_keeps_its_port(self, cluster: Cluster) -> None:
        workload = await cluster.add_workload("web", WEB, listen="tcp://127.0.0.1:0")
        address = workload.address
        assert not address.endswith(":0")
        await cluster.stop()
        await cluster.start()
        assert workload.address == address
        async with plain_stub(address.removeprefix("tcp://")) as stub:
            assert await bundles(stub).read()
        with pytest.raises(SandboxError, match="not at a unix socket"):
            _ = workload.socket_path


class TestEnd:
    @pytest.mark.parametrize("fault", [None, Fault.HANG, Fault.SLOW])
    async def test_takes_less_than_a_second_with_calls_in_flight(self, fault: Fault | None) -> None:
        loop = asyncio.get_running_loop()
        async with SandboxTrustDomain(jwt_key_type=KeyType.EC_P256) as sandbox:
            clusters = [await sandbox.start_cluster(name) for name in ("east", "west")]
            workloads = [await cluster.add_workload("web", WEB) for cluster in clusters]
            paths = [workload.socket_path for workload in workloads]
            channels = [grpc.aio.insecure_channel(workload.address) for workload in workloads]
            streams = [bundles(SpiffeWorkloadAPIStub(channel)) for channel in channels]
            for stream, workload in zip(streams, workloads, strict=True):
                await stream.read()
                workload.delay_seconds = 60
                workload.fault = fault
            await asyncio.sleep(0.05)
            start = loop.time()
        assert loop.time() - start < 1
        assert not any(path.exists() or path.parent.exists() for path in paths)
        for channel in channels:
            await channel.close()

    async def test_leaves_no_task_and_no_directory(self) -> None:
        tasks = asyncio.all_tasks()
        async with SandboxTrustDomain(jwt_key_type=KeyType.EC_P256) as sandbox:
            cluster = await sandbox.start_cluster("east")
            workload = await cluster.add_workload("web", WEB)
            root = workload.socket_path.parents[1]
            assert root.is_dir()
        await asyncio.sleep(0)
        assert not root.exists()
        assert {task for task in asyncio.all_tasks() if not task.done()} == tasks

    async def test_leaves_a_directory_that_was_there_before(self, tmp_path: Path) -> None:
        (tmp_path / "file").touch()
        async with SandboxTrustDomain(jwt_key_type=KeyType.EC_P256, directory=tmp_path) as sandbox:
            await sandbox.start_cluster("east")
            assert (tmp_path / "east").is_dir()
        assert (tmp_path / "file").exists()
        assert not (tmp_path / "east").exists()

    async def test_a_directory_left_by_a_crash_is_taken_over(self, tmp_path: Path) -> None:
        (tmp_path / "east").mkdir(mode=0o755)
        (tmp_path / "east" / "web.sock").touch()
        async with SandboxTrustDomain(jwt_key_type=KeyType.EC_P256, directory=tmp_path) as sandbox:
            cluster = await sandbox.start_cluster("east")
            assert stat.S_IMODE(cluster.directory.stat().st_mode) == 0o700

    async def test_a_link_in_its_place_is_not(self, tmp_path: Path) -> None:
        (tmp_path / "elsewhere").mkdir()
        (tmp_path / "east").symlink_to(tmp_path / "elsewhere")
        async with SandboxTrustDomain(jwt_key_type=KeyType.EC_P256, directory=tmp_path) as sandbox:
            with pytest.raises(SandboxError, match="someone else"):
                await sandbox.start_cluster("east")


class TestConfinement:
    async def test_sockets_are_in_a_private_directory(self, workload: Workload) -> None:
        for directory in workload.socket_path.parents[:2]:
            assert stat.S_IMODE(directory.stat().st_mode) == 0o700

    @pytest.mark.parametrize(
        "address",
        [
            "tcp://0.0.0.0:8081",
            "tcp://192.0.2.1:8081",
            "tcp://[::]:8081",
            "tcp://localhost:8081",
            "tcp://127.0.0.1",
            "tcp://127.0.0.1:99999",
            "tcp://user@127.0.0.1:8081",
            "tcp://127.0.0.1:8081/path",
            "https://127.0.0.1:8081",
            "unix://host/socket",
            "unix:relative",
            "unix:///" + "long/" * 20,
            "127.0.0.1:8081",
            "",
        ],
    )
    async def test_no_other_address_is_listened_on(self, cluster: Cluster, address: str) -> None:
        with pytest.raises(SandboxError):
            await cluster.add_workload("web", WEB, listen=address)
        assert cluster.workloads == {}

    async def test_an_address_in_use_is_an_error(self, cluster: Cluster) -> None:
        first = await cluster.add_workload("first", listen="tcp://127.0.0.1:0")
        with pytest.raises(SandboxError, match="cannot listen"):
            await cluster.add_workload("second", listen=first.address)
        assert list(cluster.workloads) == ["first"]

    async def test_it_says_what_it_is(self, caplog: pytest.LogCaptureFixture) -> None:
        with caplog.at_level(logging.WARNING, logger="spire_bridge.sandbox"):
            async with SandboxTrustDomain(jwt_key_type=KeyType.EC_P256):
                pass
        (record,) = caplog.records
        assert record.levelno == logging.WARNING
        assert "development tool" in record.message


class TestNames:
    @pytest.mark.parametrize("name", ["", "..", "a/b", "A", "a b", "a\n"])
    async def test_names_must_fit_in_a_path(self, cluster: Cluster, name: str) -> None:
        with pytest.raises(SandboxError):
            await cluster.add_workload(name)

    async def test_names_are_unique(self, sandbox: SandboxTrustDomain, workload: Workload) -> None:
        with pytest.raises(SandboxError, match="already"):
            await sandbox.start_cluster("east")
        with pytest.raises(SandboxError, match="already"):
            await sandbox.clusters["east"].add_workload("workload")

    async def test_a_cluster_needs_a_started_sandbox(self) -> None:
        sandbox = SandboxTrustDomain(jwt_key_type=KeyType.EC_P256)
        with pytest.raises(SandboxError, match="not started"):
            await sandbox.start_cluster("east")

    def test_a_trust_domain_does_not_federate_with_itself(self) -> None:
        sandbox = SandboxTrustDomain(jwt_key_type=KeyType.EC_P256)
        with pytest.raises(SandboxError, match="itself"):
            sandbox.federate(SandboxTrustDomain(jwt_key_type=KeyType.EC_P256))

    def test_a_trust_domain_federates_with_another_once(self) -> None:
        sandbox = SandboxTrustDomain(jwt_key_type=KeyType.EC_P256)
        sandbox.federate(SandboxTrustDomain("other.org", jwt_key_type=KeyType.EC_P256))
        with pytest.raises(SandboxError, match="already"):
            sandbox.federate(SandboxTrustDomain("other.org", jwt_key_type=KeyType.EC_P256))

    async def test_an_identity_is_removed_once(self, workload: Workload) -> None:
        workload.deregister("spiffe://example.org/workload")
        with pytest.raises(SandboxError, match="not registered"):
            workload.deregister("spiffe://example.org/workload")
