"""An embedded SPIFFE trust domain for development and tests; never for production.

`trust_domain` is where to start. Nothing here uses the bridge's own Workload API client,
verification or documents: what they are tested against must not err as they do.
"""
