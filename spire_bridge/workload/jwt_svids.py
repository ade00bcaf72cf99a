"""Tokens that an agent has sent, whatever brought them: are they what was asked for?"""

from __future__ import annotations

from collections.abc import Iterable

from spire_bridge.spiffe.id import SpiffeId
from spire_bridge.spiffe.jwt_svid import UnverifiedJwtSvid
from spire_bridge.transport.rpc_errors import UnexpectedAnswer

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


def checked_jwt_svids(
    messages: Iterable[Any], audience: Iterable[str], spiffe_id: SpiffeId | None, now: float
) -> tuple[UnverifiedJwtSvid, ...]:
    """The tokens of a FetchJWTSVID response, checked to be what was asked for.

    `messages` have the fields of the API's JWTSVID. Raises `UnexpectedAnswer`, `InvalidSvid`.
    """
    svids = tuple(_checked(message, frozenset(audience), spiffe_id, now) for message in messages)
    if not svids:
        raise UnexpectedAnswer("the agent answered without any JWT-SVID")
    return svids


def _checked(
    message: Any, audience: frozenset[str], spiffe_id: SpiffeId | None, now: float
) -> UnverifiedJwtSvid:
    svid = UnverifiedJwtSvid.parse(message.svid, hint=message.hint)
    if str(svid.spiffe_id) != message.spiffe_id:
        raise UnexpectedAnswer("the agent sent a token whose subject is not the ID it names")
    if spiffe_id is not None and svid.spiffe_id != spiffe_id:
        raise UnexpectedAnswer("the agent sent a token for another SPIFFE ID than was asked for")
    if not audience.issubset(svid.audience):
        raise UnexpectedAnswer("the agent sent a token for another audience than was asked for")
    if svid.expires_at <= now:
        raise UnexpectedAnswer(
            "the agent sent a token that has expired",
            hint="do the clocks of this machine and of the SPIRE server agree?",
        )
    return svid
