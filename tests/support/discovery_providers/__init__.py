"""SPIRE's oidc-discovery-provider and its drop-in, run on the same configuration."""
