"""The bundles that a workload verifies others with, always current."""

from __future__ import annotations

from contextlib import AsyncExitStack
from typing import Self

from spire_bridge.spiffe.jwt_bundle import JwtBundle
from spire_bridge.spiffe.x509_bundle import X509Bundle
from spire_bridge.workload.client import WorkloadClient
from spire_bridge.workload.latest import Latest
from spire_bridge.workload.messages import BundleSet


class BundleSource:
    """Watches the JWT and X.509 bundles, as an async context manager.

    What the agent withdraws is gone at once; what can't be reached, and a bundle that is
    refused, stays as it was.
    """

    def __init__(self, client: WorkloadClient) -> None:
        self._jwt: Latest[BundleSet[JwtBundle]] = Latest(
            client.watch_jwt_bundles, start_timeout=client.timeout
        )
        self._x509: Latest[BundleSet[X509Bundle]] = Latest(
            client.watch_x509_bundles, start_timeout=client.timeout
        )
        self._running = AsyncExitStack()

    async def __aenter__(self) -> Self:
        async with AsyncExitStack() as stack:
            await stack.enter_async_context(self._jwt)
            await stack.enter_async_context(self._x509)
            self._running = stack.pop_all()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._running.aclose()

    @property
    def jwt_bundles(self) -> BundleSet[JwtBundle]:
        """By trust domain; fit for `verify_jwt_svid`. Raises a `RpcError` if denied."""
        return self._jwt.value

    @property
    def x509_bundles(self) -> BundleSet[X509Bundle]:
        """By trust domain. Raises a `RpcError` if denied."""
        return self._x509.value
