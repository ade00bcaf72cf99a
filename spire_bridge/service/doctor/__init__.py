"""Walks the path from an agent to a cloud, and says at the first break what to do."""
