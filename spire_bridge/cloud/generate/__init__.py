"""Configuration of the verifiers, written from what workloads are to become there."""
