"""Azurite, Microsoft's own emulator of Azure Blob Storage, as a child process."""

from __future__ import annotations

import base64
import hmac
from collections.abc import Iterator
from contextlib import contextmanager
from email.utils import formatdate
from http.client import HTTPConnection
from pathlib import Path

from child_process import LOOPBACK, Daemon, free_port

from object_stores.under_test import BucketUnderTest

# The account that every emulator has, by its documentation.
ACCOUNT = "devstoreaccount1"
KEY = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="
CONTAINER = "site"


@contextmanager
def running_azurite(program: Path, folder: Path) -> Iterator[BucketUnderTest]:
    """A container that everybody may read; `program` is azurite or azurite-blob."""
    port = free_port()
    arguments = ["--blobHost", LOOPBACK, "--blobPort", str(port), "--inMemoryPersistence"]
    if program.name == "azurite":
        for service in ("queue", "table"):
            arguments += [f"--{service}Host", LOOPBACK, f"--{service}Port", str(free_port())]
    daemon = Daemon([program, *arguments, "--silent"], folder / "azurite.log")
    daemon.start(lambda: _create_container(port))
    try:
        yield BucketUnderTest(
            "azure",
            {
                "account": ACCOUNT,
                "container": CONTAINER,
                "endpoint": f"http://{LOOPBACK}:{port}/{ACCOUNT}",
                "allow_http": True,
            },
            {"AZURE_STORAGE_ACCOUNT_KEY": KEY},
            f"http://{LOOPBACK}:{port}/{ACCOUNT}/{CONTAINER}",
        )
    finally:
        daemon.stop()


def _create_container(port: int) -> bool:
    """By Azure's Shared Key, which no library of these tests speaks; whether it is there."""
    date, version = formatdate(usegmt=True), "2021-08-06"
    path = f"/{ACCOUNT}/{CONTAINER}"
    text = "PUT" + "\n" * 12 + "x-ms-blob-public-access:blob\n"
    text += f"x-ms-date:{date}\nx-ms-version:{version}\n"
    text += f"/{ACCOUNT}{path}\nrestype:container"
    signature = hmac.digest(base64.b64decode(KEY), text.encode(), "sha256")
    headers = {
        "x-ms-blob-public-access": "blob",
        "x-ms-date": date,
        "x-ms-version": version,
        "Authorization": f"SharedKey {ACCOUNT}:{base64.b64encode(signature).decode()}",
        "Content-Length": "0",
    }
    connection = HTTPConnection(LOOPBACK, port, timeout=5)
    try:
        connection.request("PUT", f"{path}?restype=container", headers=headers)
        return connection.getresponse().status in {201, 409}
    except OSError:
        return False
    finally:
        connection.close()
