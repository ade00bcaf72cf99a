"""The first run: an embedded trust domain, its issuer, model clouds, and a walk through them."""
