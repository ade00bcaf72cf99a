"""Certificates from an ACME server (RFC 8555), which asks the listener itself for proof."""
