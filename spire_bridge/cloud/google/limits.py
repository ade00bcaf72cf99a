"""Google's documented limits (IAM: WorkloadIdentityPoolProvider; STS: token)."""

from __future__ import annotations

ALGORITHMS = frozenset({"RS256", "ES256"})
MAX_AUDIENCES = 10
MAX_AUDIENCE_CHARACTERS = 256
MAX_SUBJECT_BYTES = 127
MAX_ATTRIBUTES = 50  # besides google.subject and google.groups
MAX_ATTRIBUTE_NAME_CHARACTERS = 100
MAX_EXPRESSION_CHARACTERS = 2_048
MAX_MAPPING_BYTES = 8_192
MAX_CONDITION_CHARACTERS = 4_096
MAX_TOKEN_SECONDS = 3_600

# Measured; the documentation names neither.
MAX_CLOCK_SKEW_SECONDS = 60
SECONDS_LOST_IN_EXCHANGE = 2
