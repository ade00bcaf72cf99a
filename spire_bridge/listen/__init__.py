"""Incoming HTTP. Only `server` knows which library speaks it."""
