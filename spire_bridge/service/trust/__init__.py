"""What clouds would say: descriptions read, tokens put to them, findings, Terraform."""
