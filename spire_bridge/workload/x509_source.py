"""The workload's X.509-SVID, always current, and TLS contexts that follow it."""

from __future__ import annotations

import ssl
import time
from collections.abc import Callable, Sequence
from typing import Self

from spire_bridge.bundles.source import SourceState
from spire_bridge.spiffe.id import TrustDomain
from spire_bridge.spiffe.x509_bundle import X509Bundle
from spire_bridge.spiffe.x509_svid import X509Svid
from spire_bridge.transport.rpc_errors import Unavailable
from spire_bridge.transport.tls import Authorize, TlsCredentials, spiffe_context
from spire_bridge.workload.client import WorkloadClient
from spire_bridge.workload.errors import HintNotFound
from spire_bridge.workload.latest import Latest
from spire_bridge.workload.messages import X509Context


class X509Source:
    """Watches the workload's X.509 context, as an async context manager.

    `hint` chooses among several identities; without it the default one is used.
    Entering waits for the first SVID as long as the client's timeout, and then raises what
    the agent last answered.
    """

    def __init__(
        self,
        client: WorkloadClient,
        *,
        hint: str | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._latest: Latest[X509Context] = Latest(
            client.watch_x509_context, start_timeout=client.timeout
        )
        self._hint = hint
        self._clock = clock

    async def __aenter__(self) -> Self:
        await self._latest.__aenter__()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._latest.__aexit__()

    @property
    def state(self) -> SourceState:
        return self._latest.state

    @property
    def context(self) -> X509Context:
        """All SVIDs and bundles. Raises a `RpcError` when there are none."""
        return self._latest.value

    @property
    def svid(self) -> X509Svid:
        """The current SVID.

        Raises `PermissionDenied` once the agent has withdrawn it, `HintNotFound`, and
        `Unavailable` if it has expired while the agent was away.
        """
        svid = (
            self.context.default_svid
            if self._hint is None
            else self.context.svid_with_hint(self._hint)
        )
        if svid is None:
            raise HintNotFound(f"no identity of this workload has the hint {self._hint!r}")
        if svid.expires_at.timestamp() <= self._clock():
            raise Unavailable("the X.509-SVID has expired and the agent has sent no other")
        return svid

    def bundle(self, trust_domain: TrustDomain | None = None) -> X509Bundle:
        """The bundle of a trust domain, by default the SVID's own.

        Raises `UnexpectedAnswer` if the agent has sent none, `InvalidBundle` if the one that
        it has sent was refused and there was no good one before.
        """
        return self.context.bundle(trust_domain or self.svid.spiffe_id.trust_domain)

    def ssl_context(
        self,
        authorize: Authorize,
        *,
        trust_domain: TrustDomain | None = None,
        alpn: Sequence[str] = (),
    ) -> ssl.SSLContext:
        """A TLS context, for clients and servers, that presents the current SVID.

        Peers are verified against the current bundle of `trust_domain`, by default the
        own one, and `authorize` decides on their SPIFFE IDs: `exactly("spiffe://…")`,
        `any_member`, or any function of a `SpiffeId`. It follows rotations by itself.
        """
        return spiffe_context(
            lambda: TlsCredentials(self.svid, self.bundle(trust_domain)),
            authorize=authorize,
            alpn=alpn,
        )

    async def changed(self) -> None:
        """Returns at the next rotation, redaction or change of a bundle."""
        await self._latest.changed()
