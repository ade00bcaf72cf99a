"""The Workload API's consumer: one client, one watch loop, and sources that stay fresh."""
