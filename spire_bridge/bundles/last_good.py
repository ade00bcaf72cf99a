"""The last good bundle on disk, for a restart while every source is away."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from spire_bridge.files.atomic import write_atomically
from spire_bridge.files.reading import read_limited
from spire_bridge.jose.errors import InvalidJson
from spire_bridge.jose.key_set import MAX_KEY_SET_BYTES
from spire_bridge.jose.strict_json import is_integer, parse_object
from spire_bridge.spiffe.bundle import Bundle
from spire_bridge.spiffe.errors import InvalidBundle
from spire_bridge.spiffe.id import TrustDomain

# The document stands in a JSON string, where quotes and newlines take two bytes.
_MAX_FILE_BYTES = 2 * MAX_KEY_SET_BYTES


@dataclass(frozen=True, slots=True)
class LastGoodCopy:
    """A file, mode 0600, with one trust domain's bundle and when it was last confirmed."""

    path: Path
    trust_domain: TrustDomain

    def load(self) -> tuple[Bundle, float] | None:
        """The bundle and the time it was confirmed at, seconds since the epoch.

        None if there is no file yet. Raises `BridgeError` for one that can't be read or
        is not of this trust domain.
        """
        if self._is_absent():
            return None
        data = read_limited(self.path, max_bytes=_MAX_FILE_BYTES)
        try:
            copy = parse_object(data, what="last good copy", max_bytes=_MAX_FILE_BYTES)
        except InvalidJson as error:
            raise InvalidBundle(f"{self.path}: {error.message}") from None
        document, confirmed_at = copy.get("document"), copy.get("confirmed_at")
        if copy.get("trust_domain") != self.trust_domain.name:
            raise InvalidBundle(f"{self.path} is not of trust domain {self.trust_domain}")
        if not isinstance(document, str) or not is_integer(confirmed_at):
            raise InvalidBundle(f"{self.path} is not a last good copy")
        return Bundle.from_document(self.trust_domain, document.encode()), float(confirmed_at)

    def _is_absent(self) -> bool:
        try:
            self.path.stat()
        except FileNotFoundError:
            return True
        except (OSError, ValueError):
            return False  # reading it fails too, and says why
        return False

    def save(self, bundle: Bundle, confirmed_at: float) -> None:
        """Replaces the file. Raises `BridgeError`."""
        copy = {
            "trust_domain": self.trust_domain.name,
            "confirmed_at": int(confirmed_at),
            "document": bundle.to_document().decode(),
        }
        write_atomically(self.path, json.dumps(copy, indent=2).encode(), mode=0o600)
