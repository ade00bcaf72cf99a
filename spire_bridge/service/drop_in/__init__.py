"""In place of SPIRE's oidc-discovery-provider, from that program's own file."""
