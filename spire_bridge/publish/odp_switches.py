"""Deliberate differences from SPIRE's oidc-discovery-provider that can be undone, by their ID.

What a relying party or a probe may have come to rely on; each stands with its reason in
`docs/odp-differences.json`.
"""

SWITCHES = ("actual-algorithms", "cache-lifetime", "etag", "expired-keys", "head", "health-address")
