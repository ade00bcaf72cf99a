"""Descriptions of the trust that is configured at verifiers, from the files that people have."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Self

from spire_bridge.cloud.terraform.described import Open
from spire_bridge.cloud.terraform.descriptions import find_descriptions
from spire_bridge.cloud.trust_description import TrustDescription
from spire_bridge.cloud.trust_errors import InvalidTrust
from spire_bridge.cloud.verifiers import VERIFIERS, Verifier
from spire_bridge.files.errors import FileFailure
from spire_bridge.files.reading import read_limited

MAX_FILE_BYTES = 32 * 1024 * 1024  # plans of large organizations
TERRAFORM = "terraform"


@dataclass(frozen=True, slots=True)
class TrustFile:
    """A file and what it describes: the key of a verifier, or `TERRAFORM`."""

    kind: str
    path: Path


@dataclass(frozen=True, slots=True)
class ReadTrust:
    """What the files describe; `open` is what plans leave open, by file and address.

    `invalid` says what is wrong with those descriptions that can't be read.
    """

    descriptions: tuple[TrustDescription, ...]
    open: tuple[Open, ...] = ()
    invalid: tuple[InvalidTrust, ...] = ()

    def checked(self) -> Self:
        """Raises `InvalidTrust` if something can't be read, or there is nothing at all."""
        for error in self.invalid:
            raise error
        if self.open and not self.descriptions:
            raise InvalidTrust(
                f"{self.open[0].address}: {self.open[0].reason}",
                hint="apply the plan, and give the state",
            )
        return self


def read_trust(files: Iterable[TrustFile]) -> ReadTrust:
    """Reads the files in their order. Raises `InvalidTrust` for one that isn't there."""
    found = [item for file in files for item in _read(file)]
    return ReadTrust(
        tuple(item for item in found if isinstance(item, TrustDescription)),
        tuple(item for item in found if isinstance(item, Open)),
        tuple(item for item in found if isinstance(item, InvalidTrust)),
    )


def _read(file: TrustFile) -> Iterator[TrustDescription | Open | InvalidTrust]:
    try:
        data = read_limited(file.path, max_bytes=MAX_FILE_BYTES)
    except FileFailure as error:
        raise InvalidTrust(error.message) from None
    name = str(file.path)
    if file.kind != TERRAFORM:
        yield _parse(VERIFIERS[file.kind], data, name)
        return
    try:
        found = find_descriptions(data, name=name)
    except InvalidTrust as error:
        yield error
        return
    if not found:
        yield InvalidTrust(
            f"{name}: no resource of it configures trust in an issuer",
            hint="it takes the JSON of `terraform show -json`, of a plan or of the state",
        )
    for item in found:
        place = f"{name}:{item.address}"
        if isinstance(item, Open):
            yield replace(item, address=place)
        else:
            yield _parse(VERIFIERS[item.verifier], item.data, place)


def _parse(verifier: Verifier, data: bytes, name: str) -> TrustDescription | InvalidTrust:
    try:
        return TrustDescription(verifier, name, verifier.rules.parse_trust(data, name=name))
    except InvalidTrust as error:
        return error
