"""`spire-bridge dev`: what is started, in which order, and its end."""

from __future__ import annotations

import asyncio
import ssl
from contextlib import AsyncExitStack

from spire_bridge.listen.address import ListenAddress, ListenFailure, free_address
from spire_bridge.models.certificate import LOOPBACK
from spire_bridge.sandbox.trust_domain import SandboxTrustDomain
from spire_bridge.service.dev.demonstration import CLUSTERS, TRUST_DOMAIN, settings, start_cluster
from spire_bridge.service.dev.demonstration_clouds import (
    DemonstrationClouds,
    PrivateFolder,
    running_clouds,
)
from spire_bridge.service.dev.next_steps import print_next_steps
from spire_bridge.service.dev.relying_party import RelyingParty
from spire_bridge.service.dev.walk_through import WalkThrough
from spire_bridge.service.issuing.service import IssuerService
from spire_bridge.service.process import stop_signals
from spire_bridge.telemetry.logs import configure_logging

DEFAULT_PORT = 8080


async def develop(*, once: bool, port: int | None, clouds: bool) -> None:
    """Runs the walk-through, then serves until SIGINT or SIGTERM unless `once`.

    With `clouds`, model clouds are beside; since clouds demand https of an issuer, this one
    speaks it then, with a certificate that is made for the purpose.
    """
    configure_logging("text", "error")
    async with AsyncExitStack() as stack:
        folder = stack.enter_context(PrivateFolder.made()) if clouds else None
        certificate = folder.certificate if folder is not None else None
        relying_party = RelyingParty.load(
            ssl.create_default_context(cafile=certificate.authority) if certificate else None
        )
        listen = _choose_address(port)
        health = free_address(ListenAddress(LOOPBACK, 0))
        url = f"{'https' if certificate else 'http'}://{listen}"
        stop = await stack.enter_async_context(stop_signals())
        sandbox = await stack.enter_async_context(SandboxTrustDomain(TRUST_DOMAIN, jwt_issuer=url))
        workloads = {name: await start_cluster(sandbox, name) for name in CLUSTERS}
        issuer = IssuerService(settings(url, listen, health, workloads, certificate))
        addresses = await stack.enter_async_context(issuer.running())
        beside: DemonstrationClouds | None = None
        if folder is not None:
            running = running_clouds(url, sandbox, workloads, folder)
            beside = await stack.enter_async_context(running)
        walk = WalkThrough(sandbox, workloads, url, relying_party, beside)
        if not await _unless_stopped(walk, stop) or once:
            return
        if beside is not None:
            await beside.write_tokens()  # the walk has revoked the key of earlier ones
            beside.tell_verdicts()
        print_next_steps(workloads, url, str(addresses.health), beside)
        await stop.wait()


async def _unless_stopped(walk: WalkThrough, stop: asyncio.Event) -> bool:
    """Whether the walk came to its end before it was told to stop."""
    walking = asyncio.create_task(walk.run())
    stopping = asyncio.create_task(stop.wait())
    try:
        await asyncio.wait({walking, stopping}, return_when=asyncio.FIRST_COMPLETED)
        if walking.done():
            walking.result()
        return walking.done()
    finally:
        walking.cancel()
        stopping.cancel()


def _choose_address(port: int | None) -> ListenAddress:
    if port is not None:
        return free_address(ListenAddress(LOOPBACK, port))
    try:
        return free_address(ListenAddress(LOOPBACK, DEFAULT_PORT))
    except ListenFailure:
        return free_address(ListenAddress(LOOPBACK, 0))
