"""Outgoing connections: gRPC channels, backoff, SPIFFE TLS. Takes credentials as values."""
