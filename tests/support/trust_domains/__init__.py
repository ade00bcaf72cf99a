"""The trust domains of the contract tests, sandbox and real SPIRE, behind one protocol."""
