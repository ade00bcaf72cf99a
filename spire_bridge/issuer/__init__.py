"""The issuer's documents: pure functions from a bundle, rules and a time to bytes."""
