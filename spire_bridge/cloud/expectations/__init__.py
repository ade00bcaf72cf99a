"""What trusts at each verifier ask of tokens: one module for each, named as on the command line."""
