"""PyPI's kubernetes with a kubeconfig: what it would show to the API server."""

import sys

import kubernetes.client
import kubernetes.config

configuration = kubernetes.client.Configuration()
kubernetes.config.load_kube_config(sys.argv[1], client_configuration=configuration)
print(configuration.auth_settings()["BearerToken"]["value"])
