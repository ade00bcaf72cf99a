"""The helper as a service: its outputs from its settings, its signals, its health."""
