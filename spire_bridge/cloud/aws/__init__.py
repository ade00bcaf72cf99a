"""AWS: a model of its web identity federation and IAM Roles Anywhere, by their documentation."""
