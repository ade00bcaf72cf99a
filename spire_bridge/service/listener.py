"""A listener as its settings describe it: its place, its certificate, its limits."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from spire_bridge.listen.address import ListenAddress
from spire_bridge.listen.http import Handler
from spire_bridge.listen.server import serving
from spire_bridge.listen.tls import CertificateFiles, Certificates
from spire_bridge.service.settings.listen import (
    AcmeSettings,
    ListenSettings,
    OwnSvidSettings,
    Place,
    TlsSettings,
)


@dataclass(frozen=True, slots=True)
class Listener:
    """Where it listens, and what it shows of itself; None without TLS."""

    place: Place
    certificates: Certificates | None


@asynccontextmanager
async def listening(handler: Handler, settings: ListenSettings) -> AsyncIterator[Listener]:
    """Serves `handler` until the context is left; yields the listener with the place in use.

    Raises `ListenFailure`, or the `BridgeError` of a certificate that can't be had.
    """
    async with AsyncExitStack() as stack:
        certificates = None
        if settings.tls is not None:
            certificates = await _certificates(settings.tls, stack)
        place = await stack.enter_async_context(
            serving(
                handler,
                settings.place(),
                tls=certificates.context if certificates is not None else None,
                limits=settings.limits(),
                drain_seconds=settings.drain_seconds,
            )
        )
        if certificates is not None:
            following = asyncio.create_task(certificates.follow(), name=f"certificate of {place}")
            stack.callback(following.cancel)
        yield Listener(place, certificates)


async def _certificates(settings: TlsSettings, stack: AsyncExitStack) -> Certificates:
    if settings.svid is not None:
        return await _own_svid(settings.svid, stack)
    if settings.acme is not None:
        return await _acme(settings.acme, stack)
    return CertificateFiles(
        Path(settings.certificate or ""), Path(settings.key or ""), settings.interval_seconds
    )


# Loaded where they are configured: most listeners have their certificate from elsewhere.


async def _own_svid(settings: OwnSvidSettings, stack: AsyncExitStack) -> Certificates:
    from spire_bridge.listen.own_svid import OwnSvid
    from spire_bridge.workload.client import WorkloadClient
    from spire_bridge.workload.x509_source import X509Source

    client = WorkloadClient(settings.address, timeout=settings.timeout_seconds)
    await stack.enter_async_context(client)
    source = await stack.enter_async_context(X509Source(client, hint=settings.hint))
    return OwnSvid(lambda: source.svid, source.changed)


async def _acme(settings: AcmeSettings, stack: AsyncExitStack) -> Certificates:
    from spire_bridge.listen.acme.certificates import AcmeCertificates

    acme = AcmeCertificates(
        settings.domains,
        folder=Path(settings.folder) if settings.folder is not None else None,
        terms_agreed=settings.terms_agreed,
        directory_url=settings.directory_url,
        email=settings.email,
        challenge=settings.challenge,
        ca_file=Path(settings.ca_file) if settings.ca_file is not None else None,
    )
    if settings.challenge == "http-01":
        address = ListenAddress.parse(settings.http_address)
        await stack.enter_async_context(serving(acme.http_handler, address))
    return acme
