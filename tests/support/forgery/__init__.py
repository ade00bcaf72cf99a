"""Tokens and certificates as an authority makes them, and as an attacker does."""
