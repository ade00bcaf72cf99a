"""What an agent may know this process by, for the entry that is missing."""

from __future__ import annotations

import grp
import os
import pwd
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from spire_bridge.cloud.presented_token import PresentedToken
from spire_bridge.files.errors import FileFailure
from spire_bridge.files.reading import read_limited
from spire_bridge.spiffe.id import SpiffeId

SERVICE_ACCOUNT_TOKEN = Path("/var/run/secrets/kubernetes.io/serviceaccount/token")
_MAX_TOKEN_BYTES = 64 * 1024


def unix_selectors() -> tuple[str, ...]:
    """Those of SPIRE's unix attestor for this process; the path only counts where it is on."""
    uid, gid = os.geteuid(), os.getegid()
    found = [f"unix:uid:{uid}", f"unix:gid:{gid}"]
    with suppress(KeyError):
        found.append(f"unix:user:{pwd.getpwuid(uid).pw_name}")
    with suppress(KeyError):
        found.append(f"unix:group:{grp.getgrgid(gid).gr_name}")
    with suppress(OSError):
        found.append(f"unix:path:{Path('/proc/self/exe').readlink()}")
    return tuple(found)


def pod_selectors(token_file: Path = SERVICE_ACCOUNT_TOKEN) -> tuple[str, ...]:
    """Those of SPIRE's k8s attestor, by the pod's service account; empty outside of a pod."""
    try:
        token = PresentedToken.read(read_limited(token_file, max_bytes=_MAX_TOKEN_BYTES))
    except FileFailure:
        return ()
    match token.claims.get("kubernetes.io"):
        case {"namespace": str(namespace), "serviceaccount": {"name": str(name)}}:
            return (f"k8s:ns:{namespace}", f"k8s:sa:{name}")
    return ()


def entry_advice(spiffe_id: SpiffeId | None) -> Iterator[str]:
    """What this process looks like, and the command that registers it."""
    seen, pod = unix_selectors(), pod_selectors()
    yield f"an agent may know this process by {', '.join((*pod, *seen))}"
    selectors = " ".join(f"-selector {selector}" for selector in pod or seen[:1])
    identity = spiffe_id or "spiffe://TRUST-DOMAIN/WORKLOAD"
    yield (
        f"spire-server entry create -parentID AGENT-ID -spiffeID {identity} {selectors}"
        "   (AGENT-ID: spire-server agent list)"
    )
