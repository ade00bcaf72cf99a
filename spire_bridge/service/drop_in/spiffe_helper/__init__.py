"""SPIFFE's spiffe-helper: its configuration, and the helper in its place."""
