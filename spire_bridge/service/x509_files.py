"""An X.509 context as files, named as SPIRE's own tools name them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from spire_bridge.credentials.authorities import authorities
from spire_bridge.files.atomic import write_atomically
from spire_bridge.files.errors import FileFailure
from spire_bridge.spiffe.x509_bundle import certificates_pem
from spire_bridge.workload.messages import X509Context

_CERTIFICATE_MODE = 0o644
_KEY_MODE = 0o600


def write_x509_context(context: X509Context, folder: Path) -> Iterator[Path]:
    """Writes each SVID, its key and the bundles below `folder`, yielding each path.

    The folder is made, for its owner alone, if it is not there; its parent must be. Every
    file is replaced whole. Raises `FileFailure`, and `RenderFailure` for an SVID without a bundle.
    """
    _make_folder(folder)
    own = {svid.spiffe_id.trust_domain for svid in context.svids}
    for number, svid in enumerate(context.svids):
        own_bundle = certificates_pem(authorities(svid, context))
        yield _write(folder / f"svid.{number}.key", svid.private_key_pem(), _KEY_MODE)
        yield _write(folder / f"svid.{number}.pem", svid.chain_pem(), _CERTIFICATE_MODE)
        yield _write(folder / f"bundle.{number}.pem", own_bundle, _CERTIFICATE_MODE)
    for trust_domain, bundle in context.bundles.items():
        if trust_domain not in own:
            path = folder / f"federated_bundle.{trust_domain}.pem"
            yield _write(path, bundle.pem(), _CERTIFICATE_MODE)


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(mode=0o700, exist_ok=True)
    except OSError as error:
        raise FileFailure(f"folder {folder} can't be made: {error.strerror}") from None


def _write(path: Path, data: bytes, mode: int) -> Path:
    write_atomically(path, data, mode=mode)
    return path
