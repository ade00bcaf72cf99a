"""Entra's documented limits (Microsoft Graph: federatedIdentityCredential)."""

from __future__ import annotations

ALGORITHMS = frozenset({"RS256"})
MAX_CREDENTIALS = 20  # of one application
MAX_FIELD_CHARACTERS = 600  # issuer, subject, each audience
MAX_AUDIENCES = 1
DEFAULT_AUDIENCE = "api://AzureADTokenExchange"
TOKEN_SECONDS = 3_599

ASSUMED_CLOCK_SKEW_SECONDS = 300  # undocumented
