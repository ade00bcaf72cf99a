"""The values of SPIFFE — IDs, SVIDs, bundles — parsed and verified to the letter of its specs."""
