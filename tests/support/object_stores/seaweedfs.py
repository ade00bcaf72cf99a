"""SeaweedFS: a server with an S3 bucket, as a child process."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPConnection
from pathlib import Path

import boto3
from child_process import LOOPBACK, Daemon, free_port

from object_stores.under_test import BucketUnderTest

BUCKET = "site"
SECRET = "not-a-secret-on-loopback"


@contextmanager
def running_seaweedfs(program: Path, folder: Path) -> Iterator[BucketUnderTest]:
    """A bucket that `publisher` may write to and `reader` may not; all is in `folder`."""
    services = ("master", "volume", "filer", "s3")
    ports = {name: (free_port(), free_port()) for name in services}
    identities = folder / "s3.json"
    identities.write_text(
        json.dumps(
            {
                "identities": [
                    _identity("publisher", "Admin", "Read", "Write", "List"),
                    _identity("reader", "Read", "List"),
                    {"name": "anonymous", "actions": ["Read"]},
                ]
            }
        )
    )
    data = folder / "data"
    data.mkdir()
    sockets = {name: folder / f"{name}.sock" for name in ("filer", "s3")}
    arguments = [
        *("server", "-filer", "-s3", f"-dir={data}", f"-ip={LOOPBACK}", f"-ip.bind={LOOPBACK}"),
        *(f"-{name}.port={http}" for name, (http, _) in ports.items()),
        *(f"-{name}.port.grpc={grpc}" for name, (_, grpc) in ports.items()),
        *(f"-{name}.localSocket={path}" for name, path in sockets.items()),
        *("-s3.port.iceberg=0", "-s3.port.lance=0", "-s3.autoCreateBucket=false"),
        f"-s3.config={identities}",
        *("-volume.max=20", "-master.volumeSizeLimitMB=64"),
    ]
    daemon = Daemon([program, *arguments], folder / "seaweedfs.log")
    endpoint = f"http://{LOOPBACK}:{ports['s3'][0]}"
    daemon.start(lambda: _answers(ports["s3"][0]))
    try:
        credentials = {"aws_access_key_id": "publisher", "aws_secret_access_key": SECRET}
        client = boto3.client("s3", endpoint_url=endpoint, region_name="us-east-1", **credentials)
        client.create_bucket(Bucket=BUCKET)
        client.close()
        yield BucketUnderTest(
            "s3",
            {"bucket": BUCKET, "endpoint": endpoint, "allow_http": True, "region": "us-east-1"},
            {name.upper(): value for name, value in credentials.items()},
            f"{endpoint}/{BUCKET}",
        )
    finally:
        daemon.stop(patience_seconds=0.5)  # it takes its time, and nothing is kept
        for _, grpc in ports.values():  # which it leaves behind
            for name in services:
                Path(f"/tmp/seaweedfs-{name}-grpc-{grpc}.sock").unlink(missing_ok=True)


def _identity(name: str, *actions: str) -> dict[str, object]:
    credentials = [{"accessKey": name, "secretKey": SECRET}]
    return {"name": name, "credentials": credentials, "actions": list(actions)}


def _answers(port: int) -> bool:
    connection = HTTPConnection(LOOPBACK, port, timeout=1)
    try:
        connection.request("GET", "/")
        return connection.getresponse().status in {200, 403}
    except OSError:
        return False
    finally:
        connection.close()
