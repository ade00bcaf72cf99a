"""Amazon S3, Google Cloud Storage and Azure Blob Storage, through the library obstore.

Credentials are found as the stores' own tools find them in a service: in the environment
(`AWS_*`, `AZURE_*`, `GOOGLE_*`), in the file of a web identity token that it names, or from
the machine's metadata service. They are never part of a configuration, and what the stores
answer is not repeated in errors beyond its status and code.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from types import ModuleType
from typing import TYPE_CHECKING, Any, Final

from spire_bridge.errors import EXIT_UNAVAILABLE, EXIT_USAGE, BridgeError
from spire_bridge.publish.bucket import StoredObject, WriteConflict

if TYPE_CHECKING:
    from obstore.store import ObjectStore

TIMEOUT_SECONDS = 10.0

_MAX_OBJECT_BYTES = 4 << 20
_VERSION: Final = ("e_tag", "version")
_STATUS = re.compile(r"status code: (\d{3})")
_CODE = re.compile(r"<Code>(\w{1,64})</Code>")


class BucketsNotInstalled(BridgeError):
    """The library that speaks to buckets is an extra, and absent."""

    code = "BUCKETS_NOT_INSTALLED"
    exit_status = EXIT_USAGE


class InvalidBucket(BridgeError):
    """The library refuses the bucket's settings, or what the environment adds to them."""

    code = "BUCKET_INVALID"
    exit_status = EXIT_USAGE


class BucketNotFound(BridgeError):
    """There is no such bucket or container."""

    code = "BUCKET_NOT_FOUND"


class BucketDenied(BridgeError):
    """The store does not let this publisher read or write."""

    code = "BUCKET_DENIED"


class BucketUnavailable(BridgeError):
    """The store did not answer, or said that it can't at the moment."""

    code = "BUCKET_UNAVAILABLE"
    exit_status = EXIT_UNAVAILABLE


@dataclass(frozen=True, slots=True)
class BucketObjects:
    """The objects below `prefix` (empty, or `some/path`) of a store; see `bucket.Objects`.

    `address` is the bucket's, as an operator knows it.
    """

    store: ObjectStore
    address: str
    prefix: str

    def location(self, name: str) -> str:
        return "/".join(part for part in (self.address, self.prefix, name) if part)

    def get(self, name: str) -> StoredObject | None:
        with self._failures("read", name):
            try:
                found = self.store.get(self._key(name))
                if found.meta["size"] > _MAX_OBJECT_BYTES:
                    raise InvalidBucket(f"{self.location(name)} is no document: it is too large")
                version: dict[str, str] = {
                    n: str(found.meta[n]) for n in _VERSION if found.meta[n] is not None
                }
                headers = {str(n): v for n, v in found.attributes.items()}
                return StoredObject(bytes(found.bytes()), version, headers)
            except FileNotFoundError:
                return None

    def put(
        self, name: str, data: bytes, headers: Mapping[str, str], replaces: StoredObject | None
    ) -> None:
        exceptions = _obstore().exceptions
        mode: Any = "create" if replaces is None else dict(replaces.version)
        with self._failures("written", name):
            try:
                self.store.put(
                    self._key(name), data, attributes=dict(headers), mode=mode, use_multipart=False
                )
            except (exceptions.AlreadyExistsError, exceptions.PreconditionError):
                raise WriteConflict(name) from None
            except FileNotFoundError:
                if replaces is not None:  # S3's answer where the object is gone
                    raise WriteConflict(name) from None
                raise BucketNotFound(
                    f"{self.address} does not exist", hint="create it; this program never does"
                ) from None

    def _key(self, name: str) -> str:
        return f"{self.prefix}/{name}" if self.prefix else name

    @contextmanager
    def _failures(self, what: str, name: str) -> Iterator[None]:
        exceptions = _obstore().exceptions
        try:
            yield
        except (exceptions.PermissionDeniedError, exceptions.UnauthenticatedError) as error:
            raise BucketDenied(
                f"{self.location(name)} can't be {what}: {_reason(error)}",
                hint="the publisher needs to read, write and list objects there; without leave"
                " to list, S3 answers 403 for an object that is absent",
            ) from None
        except exceptions.BaseError as error:
            if _is_refusal(error):
                raise BucketDenied(
                    f"{self.location(name)} can't be {what}: {_reason(error)}",
                    hint="are region and endpoint those of the bucket?",
                ) from None
            raise BucketUnavailable(
                f"{self.location(name)} can't be {what}: {_reason(error)}",
                hint=None if _STATUS.search(str(error)) else _NO_ANSWER,
            ) from None


def s3_objects(
    bucket: str,
    prefix: str,
    *,
    region: str | None = None,
    endpoint: str | None = None,
    allow_http: bool = False,
    timeout_seconds: float = TIMEOUT_SECONDS,
) -> BucketObjects:
    """Objects in Amazon S3, or at the `endpoint` of a store that speaks its protocol."""
    config = {"region": region, "endpoint": endpoint}
    store = _store("S3Store", bucket, config, allow_http, timeout_seconds)
    return BucketObjects(store, f"s3://{bucket}", prefix)


def gcs_objects(
    bucket: str, prefix: str, *, timeout_seconds: float = TIMEOUT_SECONDS
) -> BucketObjects:
    """Objects in Google Cloud Storage."""
    store = _store("GCSStore", bucket, {}, False, timeout_seconds)
    return BucketObjects(store, f"gs://{bucket}", prefix)


def azure_objects(
    account: str,
    container: str,
    prefix: str,
    *,
    endpoint: str | None = None,
    allow_http: bool = False,
    timeout_seconds: float = TIMEOUT_SECONDS,
) -> BucketObjects:
    """Blobs in Azure Blob Storage, or at the `endpoint` of what speaks its protocol."""
    config = {"account_name": account, "endpoint": endpoint}
    store = _store("AzureStore", container, config, allow_http, timeout_seconds)
    return BucketObjects(store, f"azure://{account}/{container}", prefix)


def _store(
    kind: str,
    bucket: str,
    config: Mapping[str, str | None],
    allow_http: bool,
    timeout_seconds: float,
) -> ObjectStore:
    obstore = _obstore()
    make: Callable[..., ObjectStore] = getattr(obstore.store, kind)
    timeout = f"{round(timeout_seconds * 1000)}ms"
    try:
        return make(
            bucket,
            config={name: value for name, value in config.items() if value is not None},
            client_options={
                "allow_http": allow_http,
                "connect_timeout": timeout,
                "timeout": timeout,
            },
            # Whoever publishes tries again, from the start; see `bucket.Objects.put`.
            retry_config={"max_retries": 0},
        )
    except obstore.exceptions.BaseError as error:
        reason = str(error).splitlines()[0]
        raise InvalidBucket(f"bucket {bucket}: {reason}", hint=_ENVIRONMENT) from None


_ENVIRONMENT = "credentials are taken from the environment: AWS_*, AZURE_*, GOOGLE_*"
_NO_ANSWER = f"it was the store that did not answer, or the instance's credentials; {_ENVIRONMENT}"


def _obstore() -> ModuleType:
    try:
        import obstore.exceptions  # only where a bucket is configured
        import obstore.store
    except ImportError:
        raise BucketsNotInstalled(
            "publishing to buckets needs the library obstore",
            hint="pip install 'spire-bridge[buckets]'",
        ) from None
    return obstore


def _is_refusal(error: Exception) -> bool:
    """Whether the store said that the request is wrong, and not merely too much or too slow."""
    status = _STATUS.search(str(error))
    return status is not None and status[1].startswith("4") and status[1] not in {"408", "429"}


def _reason(error: Exception) -> str:
    """What the store said, by its status and code; a whole answer could hold anything."""
    text = str(error)
    parts = [f"HTTP {match[1]}" for match in [_STATUS.search(text)] if match]
    parts += [match[1] for match in [_CODE.search(text)] if match]
    if not parts:
        timed_out = "TimedOut" in text or "kind: Timeout" in text
        parts = ["no answer in time" if timed_out else "no answer"]
    return " ".join(parts)
