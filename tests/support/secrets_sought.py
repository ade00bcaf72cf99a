"""What was issued and must be found nowhere: tokens' signatures, keys' bodies."""

from __future__ import annotations

from base64 import b64encode
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from spire_bridge.sandbox.trust_domain import SandboxTrustDomain

# So long a piece of a key's base64 is in nothing else; keys of one curve begin alike.
_PIECE = 32


@dataclass
class SecretsSought:
    """Learns of every SVID that a sandbox issues; more are added by `token` and `key`."""

    pieces: list[str] = field(default_factory=list, repr=False)

    def follow(self, sandbox: SandboxTrustDomain) -> None:
        issue_jwt, issue_x509 = sandbox.jwt.issue, sandbox.x509.issue

        def jwt(*arguments: Any, **options: Any) -> Any:
            issued = issue_jwt(*arguments, **options)
            self.token(issued.token)
            return issued

        def x509(*arguments: Any, **options: Any) -> Any:
            issued = issue_x509(*arguments, **options)
            self.key(issued.key_der)
            return issued

        sandbox.jwt.issue = jwt  # type: ignore[method-assign]
        sandbox.x509.issue = x509  # type: ignore[method-assign]

    def token(self, token: str) -> None:
        """A JWT's signature; of an opaque token all."""
        self.pieces.append(token.rpartition(".")[2])

    def key(self, der: bytes) -> None:
        """A private key's middle, as it stands in PEM with and without line ends."""
        text = b64encode(der).decode()
        for start in range(0, len(text), 64):  # the lines of PEM
            line = text[start : start + 64]
            if start > 0 and len(line) >= _PIECE:
                self.pieces.append(line[:_PIECE])

    def check(self, *said: str | bytes | Path) -> None:
        """Fails if a secret is in a text, or in a file or any file of a folder."""
        assert self.pieces, "nothing was issued, so nothing can be found"
        for text in _texts(said):
            for piece in self.pieces:
                assert piece not in text, f"a secret that begins with {piece[:6]} was told"


def _texts(said: tuple[str | bytes | Path, ...]) -> list[str]:
    texts: list[str] = []
    for each in said:
        if isinstance(each, Path):
            files = [each] if each.is_file() else [f for f in each.rglob("*") if f.is_file()]
            texts += [file.read_text(errors="replace") for file in files]
        else:
            texts.append(each.decode(errors="replace") if isinstance(each, bytes) else each)
    return texts
