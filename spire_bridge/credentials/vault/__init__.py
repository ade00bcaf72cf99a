"""Logging in to Vault or OpenBao with a JWT-SVID, and keeping the token that comes of it."""
