"""Buckets to publish to: a small one with faults, and two that others wrote."""
