"""A role session's name, by which CloudTrail shows who it was."""

from __future__ import annotations

import hashlib

from spire_bridge.cloud.aws.limits import MAX_SESSION_NAME_CHARACTERS, MIN_SESSION_NAME_CHARACTERS
from spire_bridge.spiffe.id import SpiffeId

# In session names, and not in SPIFFE IDs: so no two IDs have the same name.
_SLASH, _CUT = ",", "="
_DIGEST_CHARACTERS = 12


def session_name(spiffe_id: SpiffeId) -> str:
    """`spiffe://example.org/ns/web` as `example.org,ns,web`, of 2 to 64 of `[\\w+=,.@-]`.

    Of one that is too long the end is kept, which tells workloads apart, with a digest of all.
    """
    whole = f"{spiffe_id.trust_domain}{spiffe_id.path}".replace("/", _SLASH)
    if MIN_SESSION_NAME_CHARACTERS <= len(whole) <= MAX_SESSION_NAME_CHARACTERS:
        return whole
    digest = hashlib.sha256(str(spiffe_id).encode()).hexdigest()[:_DIGEST_CHARACTERS]
    room = MAX_SESSION_NAME_CHARACTERS - len(_CUT) - len(digest)
    return f"{whole[-room:]}{_CUT}{digest}"
