"""Files that others read while we write them, and reading that can't hang or overflow."""
