"""Issuers at work: from what their sources tell to what relying parties read."""
