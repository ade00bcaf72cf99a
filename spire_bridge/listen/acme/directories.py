"""Where well-known CAs speak ACME."""

LETS_ENCRYPT = "https://acme-v02.api.letsencrypt.org/directory"
