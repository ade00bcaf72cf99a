"""What stands in a configuration file, as typed and checked values."""
