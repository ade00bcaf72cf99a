"""Where an issuer's documents go."""
