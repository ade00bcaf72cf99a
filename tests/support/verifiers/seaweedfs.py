"""SeaweedFS: a store, and S3 gateways whose STS gives credentials for tokens."""

from __future__ import annotations

import base64
import json
import os
import re
import secrets
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from child_process import LOOPBACK, Daemon, free_port

from verifiers.http_json import DIRECT
from verifiers.peer import Reasons, Trusted, Verdict

ROLE = "arn:aws:iam::role/web"  # the name of a role is the end of its ARN
BUCKET, OTHER_BUCKET = "web", "database"
ADMIN = {"aws_access_key_id": "admin", "aws_secret_access_key": "not-a-secret-on-loopback"}
TIMEOUT_SECONDS = 10.0
_KILL_SECONDS = 0.5  # they take their time, and nothing is kept


@dataclass(frozen=True, slots=True)
class SeaweedFs:
    """A store without a gateway; each one that is started knows an issuer."""

    program: Path
    filer: str
    refetches: bool = True

    @property
    def reasons(self) -> Reasons:
        return Reasons(
            audience="token audience matches none",
            subject="trust policy denies web identity assumption",
            issuer="no identity provider registered for issuer",
            expired="ExpiredTokenException",
            forgery="token signature is invalid|unsupported signing method|not found in JWKS",
        )

    @contextmanager
    def trusting(self, trusted: Trusted, folder: Path) -> Iterator[Gateway]:
        port, grpc = free_port(), free_port()
        files = {"iam": folder / "iam.json", "identities": folder / "identities.json"}
        files["iam"].write_text(json.dumps(_iam(trusted)))
        files["identities"].write_text(json.dumps(_IDENTITIES))
        with _running(
            [
                *(self.program, "s3", f"-filer={self.filer}", f"-ip.bind={LOOPBACK}"),
                *(f"-port={port}", f"-port.grpc={grpc}", "-port.iceberg=0", "-port.lance=0"),
                *(f"-iam.config={files['iam']}", f"-config={files['identities']}"),
            ],
            folder / "gateway.log",
            answers_at=port,
            sockets=[f"s3-{port}", f"s3-grpc-{grpc}"],
        ):
            yield Gateway(f"http://{LOOPBACK}:{port}")


@dataclass(frozen=True, slots=True)
class Gateway:
    """S3 and STS behind one URL."""

    url: str

    def judge(self, token: str) -> Verdict:
        parameters = {
            "Action": "AssumeRoleWithWebIdentity",
            "Version": "2011-06-15",
            "RoleArn": ROLE,
            "RoleSessionName": "web",
            "WebIdentityToken": token,
        }
        request = urllib.request.Request(self.url, urllib.parse.urlencode(parameters).encode())
        try:
            with DIRECT.open(request, timeout=TIMEOUT_SECONDS) as response:
                assert b"<SessionToken>" in response.read()
                return Verdict(accepted=True)
        except urllib.error.HTTPError as refusal:
            with refusal:
                if refusal.code not in {400, 403}:
                    raise
                text = refusal.read().decode()
        told = re.findall(r"<(?:Code|Message)>(.*?)</", text)
        return Verdict(accepted=False, reason=": ".join(told))


@contextmanager
def running_seaweedfs(program: Path, folder: Path) -> Iterator[SeaweedFs]:
    """Its data and its log are in `folder`."""
    names = ("master", "volume", "filer")
    ports = {name: (free_port(), free_port()) for name in names}
    data = folder / "data"
    data.mkdir()
    filer, filer_grpc = ports["filer"]
    with _running(
        [
            *(program, "server", "-filer", f"-dir={data}"),
            *(f"-ip={LOOPBACK}", f"-ip.bind={LOOPBACK}"),
            *(f"-{name}.port={http}" for name, (http, _) in ports.items()),
            *(f"-{name}.port.grpc={grpc}" for name, (_, grpc) in ports.items()),
            *("-volume.max=20", "-master.volumeSizeLimitMB=64"),
        ],
        folder / "store.log",
        answers_at=filer,
        sockets=[f"filer-{filer}", *(f"{name}-grpc-{ports[name][1]}" for name in names)],
    ):
        yield SeaweedFs(program, f"{LOOPBACK}:{filer}.{filer_grpc}")


@contextmanager
def _running(
    command: list[str | Path], log: Path, *, answers_at: int, sockets: list[str]
) -> Iterator[None]:
    environment = {"PATH": os.defpath, "HOME": str(log.parent), "NO_PROXY": LOOPBACK}
    daemon = Daemon(command, log, environment)
    with ExitStack() as stack:
        for name in sockets:  # which it leaves behind
            path = Path(f"/tmp/seaweedfs-{name}.sock")
            stack.callback(path.unlink, missing_ok=True)
        daemon.start(lambda: _answers(answers_at))
        stack.callback(daemon.stop, _KILL_SECONDS)
        yield


def _answers(port: int) -> bool:
    try:
        with DIRECT.open(f"http://{LOOPBACK}:{port}/", timeout=1.0):
            return True
    except urllib.error.HTTPError as error:
        error.close()
        return error.code == 403  # whose list is it?
    except OSError:
        return False


def _iam(trusted: Trusted) -> dict[str, Any]:
    provider = {
        "issuer": trusted.issuer,
        "clientId": trusted.audience,
        "jwksUri": trusted.jwks_uri,
        "tlsCaCert": str(trusted.ca),
    }
    assume = {
        "Effect": "Allow",
        "Principal": {"Federated": "*"},
        "Action": ["sts:AssumeRoleWithWebIdentity"],
        "Condition": {"StringEquals": {"oidc:sub": trusted.subject}},
    }
    bucket = f"arn:aws:s3:::{BUCKET}"
    use = {"Effect": "Allow", "Action": ["s3:*"], "Resource": [bucket, f"{bucket}/*"]}
    return {
        "sts": {
            "tokenDuration": "1h",
            "maxSessionLength": "12h",
            "issuer": "seaweedfs",
            "signingKey": base64.b64encode(secrets.token_bytes(32)).decode(),
            "providers": [{"name": "spire", "type": "oidc", "enabled": True, "config": provider}],
        },
        "policy": {"defaultEffect": "Deny", "storeType": "memory"},
        "roles": [
            {
                "roleName": ROLE.rpartition("/")[2],
                "roleArn": ROLE,
                "trustPolicy": _document(assume),
                "attachedPolicies": ["web"],
            }
        ],
        "policies": [{"name": "web", "document": _document(use)}],
    }


def _document(*statements: dict[str, Any]) -> dict[str, Any]:
    return {"Version": "2012-10-17", "Statement": list(statements)}


_IDENTITIES = {
    "identities": [
        {
            "name": "admin",
            "credentials": [
                {
                    "accessKey": ADMIN["aws_access_key_id"],
                    "secretKey": ADMIN["aws_secret_access_key"],
                }
            ],
            "actions": ["Admin", "Read", "Write", "List"],
        }
    ]
}
