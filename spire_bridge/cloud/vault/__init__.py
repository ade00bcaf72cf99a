"""Vault's and OpenBao's JWT auth method: a model of its rules, made from its public source."""
