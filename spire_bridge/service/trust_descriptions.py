"""Descriptions of the trust that is configured at verifiers, from the files that people have."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from spire_bridge.cloud.terraform.described import Open
from spire_bridge.cloud.terraform.descriptions import find_descriptions
from spire_bridge.cloud.trust_description import TrustDescription
from spire_bridge.cloud.trust_errors import InvalidTrust
from spire_bridge.cloud.verifiers import VERIFIERS, Verifier
from spire_bridge.files import FileFailure, read_limited

MAX_FILE_BYTES = 32 * 1024 * 1024  # plans of large organizations
TERRAFORM = "terraform"


@dataclass(frozen=True, slots=True)
class TrustFile:
    """A file and what it describes: the key of a verifier, or `TERRAFORM`."""

    kind: str
    path: Path


@dataclass(frozen=True, slots=True)
class ReadTrust:
    """What the files describe; `open` is what plans leave open, by file and address."""

    descriptions: tuple[TrustDescription, ...]
    open: tuple[Open, ...] = ()


def read_trust(files: Iterable[TrustFile]) -> ReadTrust:
    """Reads the files in their order. Raises `InvalidTrust`, also if they describe nothing."""
    found = [item for file in files for item in _read(file)]
    descriptions = tuple(item for item in found if isinstance(item, TrustDescription))
    left_open = tuple(item for item in found if isinstance(item, Open))
    if left_open and not descriptions:
        raise InvalidTrust(
            f"{left_open[0].address}: {left_open[0].reason}",
            hint="apply the plan, and give the state",
        )
    return ReadTrust(descriptions, left_open)


def _read(file: TrustFile) -> Iterator[TrustDescription | Open]:
    try:
        data = read_limited(file.path, max_bytes=MAX_FILE_BYTES)
    except FileFailure as error:
        raise InvalidTrust(error.message) from None
    name = str(file.path)
    if file.kind != TERRAFORM:
        yield _parse(VERIFIERS[file.kind], data, name)
        return
    found = find_descriptions(data, name=name)
    if not found:
        raise InvalidTrust(
            f"{name}: there is no resource in it that configures trust in an issuer",
            hint="it takes the JSON of `terraform show -json`, of a plan or of the state",
        )
    for item in found:
        place = f"{name}:{item.address}"
        if isinstance(item, Open):
            yield replace(item, address=place)
        else:
            yield _parse(VERIFIERS[item.verifier], item.data, place)


def _parse(verifier: Verifier, data: bytes, name: str) -> TrustDescription:
    return TrustDescription(verifier, name, verifier.rules.parse_trust(data, name=name))
