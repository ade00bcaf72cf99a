"""Google's workload identity federation; `sts` is where to ask."""
