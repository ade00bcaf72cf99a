"""What the sandbox's endpoints have in common: a change signal and a fault hook."""

from __future__ import annotations

import asyncio

import grpc

from spire_bridge.sandbox.change_signal import ChangeSignal
from spire_bridge.sandbox.errors import Refusal
from spire_bridge.sandbox.faults import Fault


class Endpoint:
    """An endpoint that can be told to misbehave.

    `delay_seconds` is for `Fault.SLOW`; `stopping` is set while its server is going away.
    """

    def __init__(self) -> None:
        self.changes = ChangeSignal()
        self.delay_seconds = 1.0
        self.stopping = False
        self._fault: Fault | None = None

    @property
    def fault(self) -> Fault | None:
        """What it does wrong at the moment, in new calls and on open streams."""
        return self._fault

    @fault.setter
    def fault(self, fault: Fault | None) -> None:
        self._fault = fault
        self.changes.notify()

    async def fault_in_force(self) -> Fault | None:
        """The fault to answer with, once its delay is over; a status fault is raised."""
        while True:
            changed = self.changes.upcoming
            if self.stopping:
                raise Refusal(grpc.StatusCode.UNAVAILABLE, "the endpoint is stopping")
            match fault := self._fault:
                case Fault.HANG:
                    await changed.wait()
                    continue
                case Fault.SLOW:
                    await asyncio.sleep(self.delay_seconds)
                case Fault():
                    fault.refuse()
            return fault
