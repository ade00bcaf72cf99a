"""SPIRE's oidc-discovery-provider: its configuration, and the service in its place."""
