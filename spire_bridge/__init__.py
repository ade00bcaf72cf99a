"""One OIDC issuer for every workload that SPIRE knows."""

__version__ = "0.1.0"
