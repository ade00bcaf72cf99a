"""SPIFFE's spiffe-helper and its drop-in, run on the same configuration and agent."""
