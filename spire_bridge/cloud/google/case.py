"""A token that is presented to a provider."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

from spire_bridge.cloud.google.iam_policy import MappedAttributes
from spire_bridge.cloud.google.mapping import Unmapped, map_claims
from spire_bridge.cloud.google.trust import GoogleTrust
from spire_bridge.cloud.issuer_documents import IssuerDocuments
from spire_bridge.cloud.presentation import Presentation


@dataclass(frozen=True, slots=True)
class Case:
    """A token at a provider, with what several clauses ask for.

    `documents` are where Google takes the keys from, and `key` is the one that the token
    names. `mapped` is asked for by the clauses after the time's.
    """

    presentation: Presentation
    trust: GoogleTrust
    documents: IssuerDocuments
    key: Mapping[str, Any] | None
    mapped: MappedAttributes | Unmapped

    @classmethod
    def of(cls, presentation: Presentation, trust: GoogleTrust) -> Self:
        token = presentation.token
        documents = trust.uploaded_keys or presentation.documents
        mapped = map_claims(trust, token.claims)
        return cls(presentation, trust, documents, documents.key(token.key_id), mapped)
