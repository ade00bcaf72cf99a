"""The examples in conf/programs: each written by the helper, and read by the program's own client.

The token endpoints are models, or, where none is at hand, an endpoint of the tests that verifies
the token by the trust domain's keys. What can't be run here, docs/credentials.md names.
"""

from __future__ import annotations

import importlib.util
import re
import shutil
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
import yaml
from command_line import ROOT, Ended, run
from first_run import Clouds, developing_with_clouds
from programs.client import run_client, script
from programs.mongod import mongod
from programs.token_endpoint import Relying, token_endpoint
from programs.toolchains import java_command, python_command

from spire_bridge.service.dev.cloud_accounts import AUDIENCE, ENTRA_AUDIENCE

pytestmark = [pytest.mark.asyncio(loop_scope="module")]

EXAMPLES = ROOT / "conf" / "programs"
VOLUME = "/run/spire-bridge"
WEB = "spiffe://example.org/east/web"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def clouds() -> AsyncIterator[Clouds]:
    async with developing_with_clouds() as clouds:
        yield clouds


@dataclass(frozen=True, slots=True)
class Example:
    """A copy of one of conf/programs, its paths in a folder of the test's."""

    folder: Path
    clouds: Clouds

    def text(self, name: str) -> str:
        return (self.folder / name).read_text()

    async def run(
        self,
        name: str,
        *arguments: str | int,
        python: Path = Path(sys.executable),
        **variables: str,
    ) -> Ended:
        """Runs one of tests/peers/programs."""
        return await self.run_command(script(name, *arguments, python=python), **variables)

    async def run_command(self, command: list[str], **variables: str) -> Ended:
        return await run_client(command, self.folder, **variables)


@pytest.fixture
def example(clouds: Clouds, tmp_path: Path) -> Any:
    async def written(program: str, **replaced: str) -> Example:
        """The example's files, and what the helper keeps for them, written once."""
        folder = tmp_path / program
        shutil.copytree(EXAMPLES / program, folder)
        for file in folder.iterdir():
            text = file.read_text().replace(VOLUME, str(folder / "run"))
            for before, after in replaced.items():
                text = text.replace(before, after)
            file.write_text(text)
        (folder / "run").mkdir()
        ended = await run(
            *("helper", "--config", str(folder / "helper.yaml"), "--once"),
            SPIFFE_ENDPOINT_SOCKET=clouds.agent,
        )
        assert ended.status == 0, ended.err
        return Example(folder, clouds)

    return written


def needs(package: str) -> pytest.MarkDecorator:
    missing = importlib.util.find_spec(package.split(".")[0]) is None
    return pytest.mark.skipif(missing, reason=f"{package} is not installed")


# By whom a token is taken, and by whom not.
BOTH = pytest.mark.parametrize("audience", [AUDIENCE, "other"], ids=["accepted", "refused"])


def assert_outcome(ended: Ended, audience: str, *, shown: str, refused: str) -> None:
    if audience == "other":
        assert ended.status != 0
        assert re.search(refused, ended.err), ended.err
    else:
        assert ended.status == 0, ended.err
        assert shown in ended.out


AWS_REFUSED = "InvalidIdentityToken"
GOOGLE_REFUSED = "The audience in ID Token .* does not match the expected audience"
ENTRA_REFUSED = "AADSTS700212"


def google_file(text: str, clouds: Clouds) -> str:
    """The same, at the model cloud."""
    model = clouds.variables["AWS_ENDPOINT_URL_STS"]
    return re.sub(r"https://(sts|iamcredentials)\.googleapis\.com", model, text)


@needs("boto3")
@BOTH
async def test_velero_on_aws(example: Any, audience: str) -> None:
    velero = await example("velero", **{"sts.amazonaws.com": audience})
    ended = await velero.run(
        "aws.py",
        AWS_SHARED_CREDENTIALS_FILE=str(velero.folder / "aws"),
        AWS_ENDPOINT_URL_STS=velero.clouds.variables["AWS_ENDPOINT_URL_STS"],
        AWS_REGION="eu-central-1",
    )
    assert_outcome(ended, audience, shown="ASIA", refused=AWS_REFUSED)


@needs("google.auth")
@BOTH
async def test_velero_on_google(example: Any, audience: str) -> None:
    velero = await example("velero", **{"sts.amazonaws.com": audience})
    file = velero.folder / "gcp.json"
    file.write_text(google_file(file.read_text(), velero.clouds))
    ended = await velero.run(
        "google_auth.py", GOOGLE_APPLICATION_CREDENTIALS=str(file), GOOGLE_CLOUD_PROJECT="example"
    )
    assert_outcome(ended, audience, shown="ya29.model", refused=GOOGLE_REFUSED)


@needs("azure.identity")
@BOTH
async def test_velero_on_azure(example: Any, audience: str) -> None:
    expected = ENTRA_AUDIENCE if audience == AUDIENCE else audience
    velero = await example("velero", **{ENTRA_AUDIENCE: expected})
    variables = dict(line.split("=", 1) for line in velero.text("azure").splitlines())
    host = {n: velero.clouds.variables[n] for n in ("AZURE_AUTHORITY_HOST", "REQUESTS_CA_BUNDLE")}
    ended = await velero.run("azure_identity.py", **variables, **host)
    assert_outcome(ended, audience, shown="model", refused=ENTRA_REFUSED)


@pytest.mark.parametrize("cloud", ["aws", "gcp", "azure"])
@BOTH
async def test_openshift(example: Any, cloud: str, audience: str) -> None:
    wanted = ENTRA_AUDIENCE if cloud == "azure" and audience == AUDIENCE else audience
    openshift = await example("openshift", **{"audience: [openshift]": f"audience: ['{wanted}']"})
    secret = yaml.safe_load(openshift.text(f"{cloud}.yaml"))["stringData"]
    clouds = openshift.clouds
    if cloud == "aws":
        file = openshift.folder / "credentials"
        file.write_text(secret["credentials"])
        endpoint = clouds.variables["AWS_ENDPOINT_URL_STS"]
        ended = await openshift.run(
            "aws.py",
            AWS_SHARED_CREDENTIALS_FILE=str(file),
            AWS_ENDPOINT_URL_STS=endpoint,
            AWS_REGION="eu-central-1",
        )
        assert_outcome(ended, audience, shown="ASIA", refused=AWS_REFUSED)
    elif cloud == "gcp":
        file = openshift.folder / "service_account.json"
        file.write_text(google_file(secret["service_account.json"], clouds))
        ended = await openshift.run(
            "google_auth.py",
            GOOGLE_APPLICATION_CREDENTIALS=str(file),
            GOOGLE_CLOUD_PROJECT="example",
        )
        assert_outcome(ended, audience, shown="ya29.model", refused=GOOGLE_REFUSED)
    else:
        names = ("client_id", "tenant_id", "federated_token_file")
        variables = {f"AZURE_{name.upper()}": secret[f"azure_{name}"] for name in names}
        host = {n: clouds.variables[n] for n in ("AZURE_AUTHORITY_HOST", "REQUESTS_CA_BUNDLE")}
        ended = await openshift.run("azure_identity.py", **variables, **host)
        assert_outcome(ended, audience, shown="model", refused=ENTRA_REFUSED)


@contextmanager
def relying_on(key_set: Any, audience: str) -> Iterator[int]:
    with token_endpoint(Relying(key_set, audience)) as port:
        yield port


@pytest.fixture(scope="module")
def python(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return python_command(tmp_path_factory.mktemp("python"))


@pytest.mark.timeout(300)
@BOTH
async def test_databricks(example: Any, clouds: Clouds, python: Path, audience: str) -> None:
    account = "0f0f0f0f-0000-4000-8000-000000000000"
    expected = account if audience == AUDIENCE else audience
    with relying_on(await clouds.key_set(), expected) as port:
        databricks = await example(
            "databricks", **{"https://example.cloud.databricks.com": f"http://127.0.0.1:{port}"}
        )
        ended = await databricks.run(
            "databricks_sdk.py",
            python=python,
            DATABRICKS_CONFIG_FILE=str(databricks.folder / "databrickscfg"),
        )
    assert_outcome(ended, audience, shown=f"Bearer {WEB}", refused="invalid_grant|doesn't match")


@pytest.mark.timeout(300)
@BOTH
async def test_snowflake(example: Any, clouds: Clouds, python: Path, audience: str) -> None:
    expected = "snowflakecomputing.com" if audience == AUDIENCE else audience
    with relying_on(await clouds.key_set(), expected) as port:
        snowflake = await example("snowflake")
        file = snowflake.folder / "connections.toml"
        file.chmod(0o600)
        ended = await snowflake.run(
            *("snowflake_connector.py", "127.0.0.1", port, str(file)),
            python=python,
            SNOWFLAKE_WIF_ALLOWED_HOST_SUFFIXES="127.0.0.1",
        )
    assert_outcome(ended, audience, shown="example-org", refused="doesn't match")


@needs("pymongo")
@BOTH
async def test_mongodb(example: Any, clouds: Clouds, audience: str) -> None:
    expected = "mongodb" if audience == AUDIENCE else audience
    with mongod(Relying(await clouds.key_set(), expected)) as port:
        mongodb = await example("mongodb")
        variables = dict(line.split("=", 1) for line in mongodb.text("environment").splitlines())
        uri = variables.pop("MONGODB_URI").replace("mongodb.example.org", f"127.0.0.1:{port}")
        ended = await mongodb.run("mongodb.py", uri.replace("tls=true&", ""), **variables)
    assert_outcome(ended, audience, shown="1.0", refused="doesn't match")


@pytest.fixture(scope="module")
def java(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    return java_command(tmp_path_factory.mktemp("java"))


PROGRAMS = Path(__file__).parent / "java"


@pytest.mark.timeout(300)
async def test_kafka(example: Any, java: list[str]) -> None:
    kafka = await example("kafka")
    token = kafka.folder / "run" / "token"
    options = [
        f"-Dorg.apache.kafka.sasl.oauthbearer.allowed.files={token}",
        f"-Dorg.apache.kafka.sasl.oauthbearer.allowed.urls=file://{token}",
    ]
    properties = str(kafka.folder / "client.properties")
    command = [java[0], *options, *java[1:], str(PROGRAMS / "KafkaLogin.java"), properties]
    ended = await kafka.run_command(command)
    assert ended.status == 0, ended.err
    assert ended.out == "logged in\n"
    unlisted = await kafka.run_command([*java, str(PROGRAMS / "KafkaLogin.java"), properties])
    assert unlisted.status == 1
    assert "allowed.urls" in unlisted.err
    token.write_text("no token")
    refused = await kafka.run_command(command)
    assert refused.status == 1
    assert "logged in" not in refused.out


@pytest.mark.timeout(300)
async def test_spring_boot(example: Any, java: list[str]) -> None:
    spring = await example("spring-boot")
    bundle = yaml.safe_load(spring.text("application.yaml"))["spring"]["ssl"]["bundle"]
    store, trust = bundle["pem"]["workload"]["keystore"], bundle["pem"]["workload"]["truststore"]
    command = [*java, str(PROGRAMS / "PemBundle.java")]
    locations = [store["certificate"], store["private-key"], trust["certificate"]]
    ended = await spring.run_command([*command, *locations])
    assert ended.status == 0, ended.err
    assert WEB in ended.out
    swapped = [locations[0], locations[2], locations[1]]
    refused = await spring.run_command([*command, *swapped])
    assert refused.status == 1
    assert "rivate key" in refused.err, refused.err
