"""Databricks' SDK with what ~/.databrickscfg says."""

from databricks.sdk.core import Config

print(Config(http_timeout_seconds=5, retry_timeout_seconds=5).authenticate()["Authorization"])
