"""The kinds of configuration files, by the command that reads them."""

from __future__ import annotations

from pathlib import Path

from spire_bridge.config.yaml import load_one_of
from spire_bridge.service.settings.base import Settings
from spire_bridge.service.settings.helper import HelperSettings
from spire_bridge.service.settings.serve import ServeSettings
from spire_bridge.service.settings.trust import TrustSettings

KINDS: dict[str, type[Settings]] = {
    "serve": ServeSettings,
    "helper": HelperSettings,
    "trust": TrustSettings,
}


def load_settings(path: Path) -> Settings:
    """Reads the file as the kind that its settings' names show. Raises `InvalidConfig`."""
    return load_one_of(path, tuple(KINDS.values()))


def kind_of(settings: Settings) -> str:
    """What `KINDS` calls it."""
    return next(name for name, kind in KINDS.items() if type(settings) is kind)
