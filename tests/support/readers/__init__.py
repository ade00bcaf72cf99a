"""Relying parties that read an issuer all the time, in a process of their own."""
