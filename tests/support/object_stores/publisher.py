"""A publisher as a process of its own, to be killed: `python -m object_stores.publisher`.

Its argument is where to publish, as JSON; each line of standard input is the number of a
set to publish, and each line of standard output what came of it.
"""

from __future__ import annotations

import json
import subprocess
import sys
from functools import cache
from os import environ
from pathlib import Path

from object_stores.under_test import BucketUnderTest
from spire_bridge.errors import BridgeError
from spire_bridge.issuer.documents import Documents
from spire_bridge.issuer.key_set import KeySet
from spire_bridge.issuer.url import IssuerUrl
from spire_bridge.jose.public_key import PublicKey
from spire_bridge.publish.bucket import BucketTarget
from spire_bridge.publish.generation import Generation
from spire_bridge.spiffe.jwt_bundle import JwtAuthority

ISSUER = IssuerUrl.parse("https://issuer.example.org")
# RFC 7517, appendix A.1
JWK = {
    "kty": "EC",
    "crv": "P-256",
    "x": "MKBCTNIcKUSDii11ySs3526iDZ8AiTo7Tu6KPAqv7D4",
    "y": "4Etl6SRW2YiLUrN5vfvVHuhp7x8PxltmWWlbbM4IFyM",
}


@cache
def documents_of(number: int) -> Documents:
    """A set with one key, whose ID is the number."""
    key = PublicKey.from_jwk(JWK)
    return Documents.of(ISSUER, KeySet((JwtAuthority(str(number), key),)))


class PublisherProcess:
    """Started when first needed, and again after it was killed."""

    def __init__(self, bucket: BucketUnderTest, prefix: str) -> None:
        self._bucket, self._prefix = bucket, prefix
        self._process: subprocess.Popen[str] | None = None

    def offer(self, number: int) -> None:
        """Has it publish a set; does not wait for it."""
        process = self._running()
        assert process.stdin is not None
        process.stdin.write(f"{number}\n")
        process.stdin.flush()

    def outcomes(self) -> list[str]:
        """Lets it finish, and end; what came of all it was offered."""
        process, self._process = self._running(), None
        out, _ = process.communicate()
        return out.split()

    def kill(self) -> None:
        """At whatever it is doing."""
        process, self._process = self._process, None
        if process is not None:
            process.kill()
            process.communicate()

    def _running(self) -> subprocess.Popen[str]:
        if self._process is None:
            where = {
                "kind": self._bucket.kind,
                "settings": self._bucket.settings,
                "prefix": self._prefix,
            }
            self._process = subprocess.Popen(
                [sys.executable, "-m", "object_stores.publisher", json.dumps(where)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
                cwd=Path(__file__).parents[1],
                env={**environ, **self._bucket.environment},
            )
        return self._process


def main() -> None:
    where = json.loads(sys.argv[1])
    bucket = BucketUnderTest(where["kind"], where["settings"], {})
    target = BucketTarget(bucket.objects(where["prefix"]))
    for line in sys.stdin:
        number = int(line)
        try:
            target.publish(documents_of(number), Generation(1_800_000_000.0, number))
        except BridgeError as error:
            print(error.code, flush=True)
        else:
            print(number, flush=True)


if __name__ == "__main__":
    main()
