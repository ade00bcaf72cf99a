"""SVIDs for kubectl and every client of Kubernetes, and for the kubelet's image pulls."""
