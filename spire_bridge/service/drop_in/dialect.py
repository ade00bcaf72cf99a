"""Whose configuration a file is, told by the options in it."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from spire_bridge.config.hcl import InvalidHcl, parse_hcl
from spire_bridge.files.reading import read_limited
from spire_bridge.service.drop_in.discovery_provider.config import OPTIONS as ODP_OPTIONS
from spire_bridge.service.drop_in.spiffe_helper.config import OPTIONS as HELPER_OPTIONS

Dialect = Literal["oidc-discovery-provider", "spiffe-helper"]

_MAX_FILE_BYTES = 1024 * 1024


def dialect_of(path: Path) -> Dialect:
    """That of which the file has more options. Raises `InvalidHcl` and `FileFailure`."""
    text = read_limited(path, max_bytes=_MAX_FILE_BYTES).decode(errors="replace")
    names = set(parse_hcl(text, name=str(path)).values)
    odp = len(names & (ODP_OPTIONS - HELPER_OPTIONS))
    helper = len(names & (HELPER_OPTIONS - ODP_OPTIONS))
    if odp == helper:
        raise InvalidHcl(
            f"{path} is neither oidc-discovery-provider's nor spiffe-helper's by its options",
            hint="say whose it is: --from oidc-discovery-provider, or --from spiffe-helper",
        )
    return "oidc-discovery-provider" if odp > helper else "spiffe-helper"
