"""A bucket of a real store, and how a publisher in another process reaches it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from spire_bridge.publish.object_store import BucketObjects, azure_objects, s3_objects

MAKERS = {"s3": s3_objects, "azure": azure_objects}


@dataclass(frozen=True)
class BucketUnderTest:
    """`settings` are those of `publish.targets`; `environment` holds the credentials.

    `url` is where everybody may read the objects.
    """

    kind: str
    settings: Mapping[str, Any]
    environment: Mapping[str, str]
    url: str = ""

    def objects(self, prefix: str) -> BucketObjects:
        """For a process that has the environment."""
        return MAKERS[self.kind](**self.settings, prefix=prefix)
