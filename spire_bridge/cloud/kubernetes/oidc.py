"""Kubernetes' OIDC authentication: a model of its rules, made from its public source."""

from spire_bridge.cloud.kubernetes.authenticate import TITLE, evaluate
from spire_bridge.cloud.kubernetes.configuration import KubernetesTrust, parse_trust
from spire_bridge.cloud.kubernetes.lint import lint

__all__ = ["TITLE", "KubernetesTrust", "evaluate", "lint", "parse_trust"]
