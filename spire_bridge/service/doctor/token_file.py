"""A token in a file: that clients take it as it stands, and that it is the right one."""

from __future__ import annotations

from collections.abc import Iterator

from spire_bridge.service.doctor.context import Context
from spire_bridge.service.doctor.finding import Finding
from spire_bridge.service.doctor.lifetime import IN_FILE, ending, is_overdue
from spire_bridge.spiffe.jwt_svid import UnverifiedJwtSvid

_WRITER_ADVICE = "has its writer stopped? systemctl status, or the log of the pod's helper"


def check_bare(check: str, data: bytes, about: str) -> Iterator[Finding]:
    """Nothing but the token: AWS' and Azure's clients send, or refuse, what else there is."""
    if not data.strip():
        yield Finding.failed(check, "FILE_EMPTY", "it is empty", _WRITER_ADVICE, about=about)
    elif data != data.strip():
        seen = "there is white space around the token, which clients send along"
        hint = "write it without a newline: printf %s instead of echo"
        yield Finding.failed(check, "TOKEN_NOT_BARE", seen, hint, about=about)


def check_token(check: str, text: str, context: Context, about: str) -> Iterator[Finding]:
    """It is a JWT-SVID of this workload, for the audience asked for, alive and fresh.

    Raises `InvalidSvid`.
    """
    svid = UnverifiedJwtSvid.parse(text)
    yield from _whose(check, svid, context, about)
    wanted = context.asked.audience
    if wanted and set(wanted).isdisjoint(svid.audience):
        seen = f"it is for {', '.join(svid.audience)}, not for {', '.join(wanted)}"
        hint = "set the audience in the configuration of what writes it"
        yield Finding.failed(check, "TOKEN_AUDIENCE", seen, hint, about=about)
    now = context.asked.clock()
    if svid.expires_at <= now:
        seen = ending(svid.expires_at, now)
        yield Finding.failed(check, "TOKEN_EXPIRED", seen, _WRITER_ADVICE, about=about)
    elif is_overdue(svid.issued_at, svid.expires_at, now, share=IN_FILE):
        seen = f"{ending(svid.expires_at, now)}: near the end of its life, and not renewed"
        yield Finding.warned(check, "TOKEN_NOT_RENEWED", seen, _WRITER_ADVICE, about=about)


def _whose(check: str, svid: UnverifiedJwtSvid, context: Context, about: str) -> Iterator[Finding]:
    """A failure where the identity was named; else it may be that of another workload's pod."""
    asked, chosen = context.asked, context.svid
    seen = f"it is of {svid.spiffe_id}"
    hint = "set the SPIFFE ID or hint in the configuration of what writes it"
    if asked.hint is not None and chosen is not None:
        wanted = chosen.spiffe_id
    elif asked.spiffe_id is not None:
        wanted = asked.spiffe_id
    else:
        given = {own.spiffe_id for own in context.svids}
        if given and svid.spiffe_id not in given:
            seen = f"{seen}, which the agent does not give to this process"
            yield Finding.warned(check, "TOKEN_SUBJECT", seen, hint, about=about)
        return
    if svid.spiffe_id != wanted:
        yield Finding.failed(check, "TOKEN_SUBJECT", f"{seen}, not of {wanted}", hint, about=about)
