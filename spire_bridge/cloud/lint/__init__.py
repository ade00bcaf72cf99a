"""What is wrong with descriptions of trust, before any token has been refused."""
