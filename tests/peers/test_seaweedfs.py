"""SeaweedFS' STS and S3 as boto3 uses them, which knows nothing of us but a file with a token."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from command_line import PROGRAM, ROOT
from verifiers.issuers import AUDIENCE, IssuerUnderTest
from verifiers.peer import trusted
from verifiers.seaweedfs import ADMIN, BUCKET, OTHER_BUCKET, ROLE, Gateway, SeaweedFs

from spire_bridge.credentials.aws.profiles import credential_process_profile

boto3 = pytest.importorskip("boto3", reason="boto3 is not installed")
exceptions = pytest.importorskip("botocore.exceptions")

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(120)]

S3 = Callable[[str], Any]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def gateway(
    secure_issuer: IssuerUnderTest,
    seaweedfs: SeaweedFs,
    tmp_path_factory: pytest.TempPathFactory,
) -> AsyncIterator[Gateway]:
    """One that trusts the issuer, with both buckets."""
    folder = tmp_path_factory.mktemp("gateway")
    with ExitStack() as stack:
        starting = seaweedfs.trusting(await trusted(secure_issuer), folder)
        gateway = await asyncio.to_thread(stack.enter_context, starting)
        await asyncio.to_thread(make_buckets, gateway)
        yield gateway


def make_buckets(gateway: Gateway) -> None:
    client = boto3.client("s3", endpoint_url=gateway.url, region_name="us-east-1", **ADMIN)
    present = {bucket["Name"] for bucket in client.list_buckets()["Buckets"]}
    for name in {BUCKET, OTHER_BUCKET} - present:
        client.create_bucket(Bucket=name)
    client.close()


@pytest.fixture
def s3_with(gateway: Gateway, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> S3:
    """boto3's S3 client for a token, with the variables that a workload on EKS is given."""
    file = tmp_path / "token"
    variables = {
        "AWS_WEB_IDENTITY_TOKEN_FILE": str(file),
        "AWS_ROLE_ARN": ROLE,
        "AWS_ROLE_SESSION_NAME": "web",
        "AWS_ENDPOINT_URL": gateway.url,  # of STS and S3 both
        "AWS_REGION": "us-east-1",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_CONFIG_FILE": str(tmp_path / "none"),
        "AWS_SHARED_CREDENTIALS_FILE": str(tmp_path / "none"),
        "AWS_EC2_METADATA_DISABLED": "true",
    }
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    for name in ("AWS_PROFILE", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"):
        monkeypatch.delenv(name, raising=False)

    def client(token: str) -> Any:
        file.write_text(token)
        return boto3.session.Session().client("s3")

    return client


async def test_a_token_opens_the_bucket_of_its_role_and_no_other(
    secure_issuer: IssuerUnderTest, s3_with: S3
) -> None:
    token = await secure_issuer.token(AUDIENCE)
    await asyncio.to_thread(use, s3_with(token))


def use(s3: Any) -> None:
    s3.put_object(Bucket=BUCKET, Key="greeting", Body=b"hello")
    assert s3.get_object(Bucket=BUCKET, Key="greeting")["Body"].read() == b"hello"
    with pytest.raises(exceptions.ClientError, match="AccessDenied"):
        s3.put_object(Bucket=OTHER_BUCKET, Key="greeting", Body=b"hello")
    s3.close()


@pytest.mark.parametrize(
    ("audience", "path", "reason"),
    [
        ("another", "/web", "token audience matches none"),
        (AUDIENCE, "/other", "trust policy denies web identity assumption"),
    ],
)
async def test_a_token_for_others_opens_nothing(
    secure_issuer: IssuerUnderTest, s3_with: S3, audience: str, path: str, reason: str
) -> None:
    s3 = s3_with(await secure_issuer.token(audience, path=path))
    with pytest.raises(exceptions.ClientError, match=f"AssumeRoleWithWebIdentity.*{reason}"):
        await asyncio.to_thread(s3.list_objects_v2, Bucket=BUCKET)
    s3.close()


@pytest.fixture
def s3_by_command(
    secure_issuer: IssuerUnderTest,
    gateway: Gateway,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> S3:
    """boto3's S3 client with a profile that runs `credential aws` for an identity."""
    config = tmp_path / "config"
    monkeypatch.setenv("AWS_CONFIG_FILE", str(config))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    for name in ("AWS_PROFILE", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"):
        monkeypatch.delenv(name, raising=False)

    def client(path: str) -> Any:
        command = (
            *(*PROGRAM, "credential", "aws", "--role-arn", ROLE, "--endpoint", gateway.url),
            *("--socket", secure_issuer.agent.address, "--audience", AUDIENCE),
            *("--spiffe-id", secure_issuer.spiffe_id(path)),
        )
        config.write_bytes(credential_process_profile(command))
        session = boto3.session.Session(region_name="us-east-1")
        return session.client("s3", endpoint_url=gateway.url)

    return client


async def test_the_command_opens_the_bucket_of_its_role_and_no_other(
    secure_issuer: IssuerUnderTest, s3_by_command: S3, tmp_path: Path
) -> None:
    await secure_issuer.token(AUDIENCE)  # by a key that is served
    await asyncio.to_thread(lambda: use(s3_by_command("/web")))
    kept = await asyncio.to_thread(lambda: list(tmp_path.rglob("*.json")))
    assert len(kept) == 1  # one session, for all of it


async def test_the_command_says_why_another_workload_opens_nothing(
    secure_issuer: IssuerUnderTest, s3_by_command: S3
) -> None:
    await secure_issuer.token(AUDIENCE, path="/other")
    said = r"error\[AWS_ACCESS_DENIED\].*trust policy denies web identity assumption"
    with pytest.raises(exceptions.CredentialRetrievalError, match=said):
        await asyncio.to_thread(lambda: s3_by_command("/other").list_objects_v2(Bucket=BUCKET))
