"""Programs that know nothing of SPIFFE, and the endpoints that they speak to."""
