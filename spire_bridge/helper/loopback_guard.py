"""Who may ask an endpoint on loopback.

Any process of this machine can connect, and so can a web page in a browser on it or a program
that was talked into a request (SSRF, DNS rebinding). Hence no answer to what a browser or a
proxy would say, and a secret that only who may read its file can send.
"""

from __future__ import annotations

import hmac
import secrets
from ipaddress import ip_address
from urllib.parse import urlsplit

from spire_bridge.listen.http import Request

# What a proxy adds, and what a browser adds to a request of a page.
_OF_OTHERS = frozenset({"forwarded", "x-forwarded-for", "x-forwarded-host", "via", "origin"})


def new_secret() -> str:
    """What a program has to send, for the file that it reads it from."""
    return secrets.token_urlsafe(32)


def is_local(request: Request) -> bool:
    """From this machine, to a name of its own, and nobody between."""
    if not _OF_OTHERS.isdisjoint(request.headers) or "host" in request.repeated:
        return False
    if request.peer and not _is_loopback(request.peer):
        return False
    try:
        host = urlsplit(f"//{request.headers.get('host', '')}").hostname or ""
    except ValueError:
        return False
    return host == "localhost" or _is_loopback(host)


def carries(request: Request, header: str, secret: str) -> bool:
    """Whether the header (in lower case) is the secret; compared in constant time."""
    sent = request.headers.get(header, "")
    same = hmac.compare_digest(sent.encode(), secret.encode())
    return same and bool(secret) and header not in request.repeated


def _is_loopback(address: str) -> bool:
    try:
        return ip_address(address).is_loopback
    except ValueError:
        return False
