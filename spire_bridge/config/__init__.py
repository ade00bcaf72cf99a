"""Strict configuration files with errors that say where; knows no particular setting."""
