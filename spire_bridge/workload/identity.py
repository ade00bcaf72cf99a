"""Which of a workload's identities is meant."""

from __future__ import annotations

from collections.abc import Sequence

from spire_bridge.spiffe.id import SpiffeId
from spire_bridge.value import Value
from spire_bridge.workload.errors import HintNotFound, IdentityNotIssued

TYPE_CHECKING = False
if TYPE_CHECKING:  # a command that fetches one token loads no typing
    from typing import Protocol, TypeVar

    class Svid(Protocol):
        """What every kind of SVID says of itself."""

        @property
        def spiffe_id(self) -> SpiffeId: ...

        @property
        def hint(self) -> str: ...

    S = TypeVar("S", bound=Svid)


class Identity(Value):
    """By SPIFFE ID, by hint, or, with neither, the one that the agent sends first."""

    spiffe_id: SpiffeId | None = None
    hint: str | None = None

    def among(self, svids: Sequence[S]) -> S:
        """The first SVID of this identity. Raises `HintNotFound` and `IdentityNotIssued`."""
        for svid in svids:
            if self.spiffe_id not in {None, svid.spiffe_id}:
                continue
            if self.hint in {None, svid.hint}:
                return svid
        if self.hint is not None:
            offered = ", ".join(svid.hint for svid in svids if svid.hint) or "none"
            raise HintNotFound(
                f"no identity of this workload has the hint {self.hint!r}",
                hint=f"hints that the agent sent: {offered}",
            )
        ids = ", ".join(str(svid.spiffe_id) for svid in svids) or "none"
        raise IdentityNotIssued(
            f"the agent has not issued {self.spiffe_id} to this workload",
            hint=f"IDs that the agent sent: {ids}",
        )
