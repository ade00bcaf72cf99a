"""What tests of third-party verifiers share: issuers at work, forgeries, and the verifiers."""
