"""The issuers' documents at their targets: once, or at every change."""
