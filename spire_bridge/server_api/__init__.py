"""SPIRE's Server API, as far as the bridge calls it: the trust domain's bundle at its origin."""
