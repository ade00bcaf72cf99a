"""SVIDs as the credentials that unmodified programs read: pure renderers, and token calls."""
