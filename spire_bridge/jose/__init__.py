"""JOSE with the doors shut: strict JSON, compact JWS, public JWKs, verification by allow-list."""
