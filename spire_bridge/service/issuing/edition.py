"""What an issuer publishes at one moment: its documents, and what they were made of."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

from spire_bridge.issuer.documents import Documents
from spire_bridge.issuer.key_set import KeySet
from spire_bridge.issuer.url import IssuerUrl
from spire_bridge.service.settings.issuer import IssuerSettings
from spire_bridge.spiffe.bundle import Bundle


@dataclass(frozen=True, slots=True)
class Edition:
    """The documents of one issuer, for each of its URLs, as they follow from one bundle."""

    bundle: Bundle
    key_set: KeySet
    documents: tuple[tuple[IssuerUrl, Documents], ...]

    @classmethod
    def of(cls, settings: IssuerSettings, bundle: Bundle, now: float) -> Self:
        """What `settings` make of the bundle at the time `now`, seconds since the epoch."""
        key_set = KeySet.from_bundle(bundle.jwt, now, settings.key_rules())
        rules, hint = settings.document_rules(), bundle.refresh_hint_seconds
        documents = (
            (url, Documents.of(url, key_set, rules, refresh_hint_seconds=hint))
            for url in settings.issuer_urls()
        )
        return cls(bundle, key_set, tuple(documents))

    def reads_as(self, other: Self | None) -> bool:
        """Whether a relying party sees no difference from `other`."""
        return other is not None and self.documents == other.documents
