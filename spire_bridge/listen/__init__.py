"""Incoming HTTP: requests and responses for handlers, connections and limits beneath."""
