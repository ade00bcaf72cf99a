"""In place of other programs, from their own configuration files."""
