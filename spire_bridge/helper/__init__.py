"""Outputs kept fresh for programs that know nothing of SPIFFE."""
