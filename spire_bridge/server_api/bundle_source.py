"""A SPIRE server as a source of its trust domain's bundle."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import ClassVar

from spire_bridge.bundles.polled import Polled
from spire_bridge.bundles.source import StateListener
from spire_bridge.errors import BridgeError
from spire_bridge.server_api.address import ServerAddress, check_trust
from spire_bridge.server_api.client import DEFAULT_TIMEOUT_SECONDS, ServerClient
from spire_bridge.server_api.trust import OpenTrust, ServerTrust
from spire_bridge.spiffe.bundle import Bundle
from spire_bridge.spiffe.errors import InvalidBundle
from spire_bridge.spiffe.id import TrustDomain
from spire_bridge.transport.backoff import Backoff
from spire_bridge.transport.rpc_errors import RpcError, UnexpectedAnswer

DEFAULT_INTERVAL_SECONDS = 10.0

# Trying a socket of this machine costs next to nothing, and whoever comes back may bring
# a revocation: a lost server is looked for this often at least.
MAX_RETRY_SECONDS = 2.0


@dataclass(frozen=True, slots=True)
class ServerApiSource:
    """Asks the server at `address` for its bundle every `interval_seconds`.

    `address` is the server's own socket, `unix:///path`, or `tls://host:port`; then `trust`
    makes what the server is trusted by. `timeout` is in seconds, for each call. Where
    `trust_domain` is None, the first answer decides; an answer of another trust domain is
    an error and the last good bundle stays. While the server is lost, attempts come closer
    than the interval, up to two seconds apart. It never gives up.

    Raises `InvalidServerAddress` when it is made, also where `trust` and the address do not
    go together.
    """

    authoritative: ClassVar[bool] = True  # an agent hears of keys from its server, later

    name: str
    address: str
    trust_domain: TrustDomain | None
    interval_seconds: float = DEFAULT_INTERVAL_SECONDS
    timeout: float = DEFAULT_TIMEOUT_SECONDS
    trust: OpenTrust | None = None

    def __post_init__(self) -> None:
        check_trust(ServerAddress.parse(self.address), is_given=self.trust is not None)

    async def watch(self, on_state: StateListener) -> AsyncGenerator[Bundle, None]:
        polled, trust_domain = Polled(self.name, on_state), self.trust_domain
        backoff = Backoff(maximum=min(self.interval_seconds, MAX_RETRY_SECONDS))
        async with AsyncExitStack() as stack:
            trust = await self._open_trust(stack, polled, backoff)
            client = await stack.enter_async_context(
                ServerClient(
                    self.address,
                    credentials=None if trust is None else trust.credentials,
                    timeout=self.timeout,
                )
            )
            while True:
                delay = self.interval_seconds
                try:
                    bundle = await client.get_bundle(trust_domain)
                except (InvalidBundle, UnexpectedAnswer) as error:
                    polled.refused(error)
                except RpcError as error:
                    polled.lost(error)
                    delay = backoff.next_delay()
                else:
                    backoff.reset()
                    trust_domain = bundle.trust_domain
                    if trust is not None:
                        trust.learn(bundle.x509)
                    if polled.told(bundle):
                        yield bundle
                await asyncio.sleep(delay)

    async def _open_trust(
        self, stack: AsyncExitStack, polled: Polled, backoff: Backoff
    ) -> ServerTrust | None:
        """What `trust` makes, as soon as it can be had."""
        while self.trust is not None:
            try:
                return await stack.enter_async_context(self.trust())
            except BridgeError as error:
                polled.lost(error)
                await asyncio.sleep(backoff.next_delay())
        return None
