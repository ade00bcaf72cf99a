"""Names that a verifier's own rules, or Terraform's, let a thing have.

Each is made of the thing alone: naming another one never renames it, which to Terraform would
be to destroy and create it.
"""

from __future__ import annotations

import hashlib
import re

_NO_LABEL = re.compile(r"[^a-z0-9_]")
_PLAIN_ATTRIBUTE = re.compile(r"[a-z0-9]+(?:/[a-z0-9]+)*")
_PLAIN_CREDENTIAL = re.compile(r"[A-Za-z0-9][A-Za-z0-9-]*(?:/[A-Za-z0-9-]+)*")
_MAX_ATTRIBUTE_CHARACTERS = 80  # of Google's 100; a prefix takes some
_MAX_CREDENTIAL_CHARACTERS = 100  # of Entra's 120


def resource_label(name: str) -> str:
    """What Terraform calls the resource of that name; names that differ little may share it."""
    label = _NO_LABEL.sub("_", name.lower())
    return label if not label[:1].isdigit() else f"_{label}"


def attribute_name(path: str) -> str:
    """A name of a-z, 0-9 and _ for a path without its outer slashes, another for each path."""
    if _PLAIN_ATTRIBUTE.fullmatch(path) and len(path) <= _MAX_ATTRIBUTE_CHARACTERS:
        return path.replace("/", "_")
    readable = re.sub(r"[^a-z0-9]+", "_", path.lower())[: _MAX_ATTRIBUTE_CHARACTERS - 10]
    return f"{readable}_{_fingerprint(path)}"


def credential_name(path: str) -> str:
    """A name of an Entra credential for a path without its first slash, another for each path."""
    if _PLAIN_CREDENTIAL.fullmatch(path) and 3 <= len(path) <= _MAX_CREDENTIAL_CHARACTERS:
        return path.replace("/", "_")
    readable = re.sub(r"[^A-Za-z0-9-]+", "_", path).lstrip("-_")[: _MAX_CREDENTIAL_CHARACTERS - 10]
    return f"{readable or 'id'}_{_fingerprint(path)}"


def _fingerprint(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:8]
