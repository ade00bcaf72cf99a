"""An agent as a source of its trust domain's JWT bundle."""

from __future__ import annotations

import logging
from collections.abc import AsyncGenerator
from dataclasses import dataclass, replace
from typing import ClassVar

from spire_bridge.bundles.source import SourceState, StateListener
from spire_bridge.errors import BridgeError
from spire_bridge.spiffe.bundle import Bundle
from spire_bridge.spiffe.id import TrustDomain
from spire_bridge.spiffe.jwt_bundle import JwtBundle
from spire_bridge.spiffe.x509_bundle import X509Bundle
from spire_bridge.transport.rpc_errors import TrustDomainMismatch
from spire_bridge.workload.calls import DEFAULT_TIMEOUT_SECONDS
from spire_bridge.workload.client import WorkloadClient
from spire_bridge.workload.messages import BundleSet

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class AgentSource:
    """Streams the JWT bundle of `trust_domain` from the agent at `address`.

    An agent that sends no bundle, or a refused one, for that trust domain is in error and
    its last good bundle stays: it is then an agent of another trust domain, or a broken
    one. Revocation is an empty bundle.
    """

    authoritative: ClassVar[bool] = False

    name: str
    address: str
    trust_domain: TrustDomain
    timeout: float = DEFAULT_TIMEOUT_SECONDS

    async def watch(self, on_state: StateListener) -> AsyncGenerator[Bundle, None]:
        def on_trouble(state: SourceState) -> None:
            if state.last_error is not None:  # a good message may still lack our bundle
                on_state(state)

        async with WorkloadClient(self.address, timeout=self.timeout) as client:
            watch = client.watch_jwt_bundles(on_trouble)
            async for bundles in watch:
                bundle = bundles.get(self.trust_domain)
                if bundle is None:
                    on_state(replace(watch.state, last_error=self._refusal(bundles)))
                    continue
                on_state(watch.state)
                self._log_skipped(bundle)
                yield Bundle(self.trust_domain, bundle, X509Bundle(self.trust_domain))

    def _refusal(self, bundles: BundleSet[JwtBundle]) -> BridgeError:
        served = ", ".join(sorted(str(trust_domain) for trust_domain in bundles))
        return bundles.refused.get(self.trust_domain) or TrustDomainMismatch(
            f"the agent has no bundle for trust domain {self.trust_domain}",
            hint=f"it serves {served}; is this the address of the right agent?",
        )

    def _log_skipped(self, bundle: JwtBundle) -> None:
        for skipped in bundle.skipped:
            _log.warning(
                "key was left out",
                extra={"source": self.name, "key_id": skipped.key_id, "reason": skipped.reason},
            )
