"""One module a role: its settings and its wiring."""
