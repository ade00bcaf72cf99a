"""Bundles as they arrive: sources, their states, and the store that combines them."""
