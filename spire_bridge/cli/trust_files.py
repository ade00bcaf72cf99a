"""The options of `spire-bridge trust` that name an issuer and descriptions of trust."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from spire_bridge.cloud.verifiers import VERIFIERS

if TYPE_CHECKING:
    from spire_bridge.service.trust.descriptions import ReadTrust
    from spire_bridge.service.trust.issuer_reading import IssuerReader


class _KindAndFile(argparse.Action):
    """Keeps the files in the order in which they were named, each with its option's name."""

    def __call__(
        self,
        _parser: argparse.ArgumentParser,
        namespace: argparse.Namespace,
        values: str | Sequence[Any] | None,
        option: str | None = None,
    ) -> None:
        assert option is not None
        kind = self.option_strings[0].removeprefix("--")
        named = [*getattr(namespace, self.dest), *((kind, file) for file in values or ())]
        setattr(namespace, self.dest, named)


def add_trust_files(parser: argparse.ArgumentParser, *, of_certificates: bool = False) -> None:
    """An option for each verifier, and one for Terraform; each can be given several files.

    `of_certificates` adds the verifiers of certificates to those of tokens.
    """
    parser.set_defaults(trust_files=[])
    described = [
        (verifier.key, verifier.reads)
        for verifier in VERIFIERS.values()
        if of_certificates or not verifier.takes_certificates
    ]
    for kind, reads in [*described, ("terraform", "`terraform show -json` of a plan or state")]:
        parser.add_argument(
            f"--{kind}",
            metavar="FILE",
            nargs="+",
            type=Path,
            action=_KindAndFile,
            dest="trust_files",
            help=reads,
        )


def add_issuer(parser: argparse.ArgumentParser, *, default: str) -> None:
    """Where the issuer's documents are."""
    parser.add_argument(
        "--issuer",
        metavar="URL|DIR",
        help=f"the issuer, or a folder with its two documents (default: {default})",
    )
    parser.add_argument(
        "--ca-file",
        metavar="FILE",
        type=Path,
        help="authorities to verify the issuer's server with, PEM (default: the system's)",
    )


def named_trust(arguments: argparse.Namespace) -> ReadTrust:
    """What the files describe that were named. Raises `InvalidTrust`."""
    from spire_bridge.service.trust.descriptions import TrustFile, read_trust

    return read_trust(TrustFile(kind, path) for kind, path in arguments.trust_files)


def issuer_reader(arguments: argparse.Namespace) -> IssuerReader:
    """Raises `InvalidAuthorities`."""
    from spire_bridge.service.trust.issuer_reading import IssuerReader

    return IssuerReader.trusting(arguments.ca_file, timeout_seconds=arguments.timeout)
