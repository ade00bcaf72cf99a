"""What spire-bridge costs, beside what it replaces: ratios measured in one run."""
