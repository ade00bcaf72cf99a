"""Kubernetes' OIDC authentication: a model of its rules, made from its public source."""
