"""Trust descriptions in what `terraform show -json` prints of a plan or a state."""
