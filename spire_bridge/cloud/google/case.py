"""A token that is presented to a provider."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from spire_bridge.cloud.google.iam_policy import MappedAttributes
from spire_bridge.cloud.google.mapping import Unmapped
from spire_bridge.cloud.google.trust import GoogleTrust
from spire_bridge.cloud.issuer_documents import IssuerDocuments
from spire_bridge.cloud.presentation import Presentation


@dataclass(frozen=True, slots=True)
class Case:
    """A token at a provider. `mapped` is asked for by the clauses after the time's."""

    presentation: Presentation
    trust: GoogleTrust
    mapped: MappedAttributes | Unmapped

    @property
    def documents(self) -> IssuerDocuments:
        """Where Google takes the keys from."""
        return self.trust.uploaded_keys or self.presentation.documents

    @property
    def key(self) -> Mapping[str, Any] | None:
        return self.documents.key(self.presentation.token.key_id)
