"""The verifiers' documented rules, as pure clauses that say where they come from."""
