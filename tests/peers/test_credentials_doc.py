"""docs/credentials.md, walked: each row's command or file at the first run, by the program's SDK.

What a row's command lacks for the first run alone is added: its audience and its endpoints.
"""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jwt as pyjwt
import pytest
import pytest_asyncio
import yaml
from child_process import free_port
from command_line import PROGRAM, ROOT, Ended
from cryptography import x509
from first_run import Clouds, developing_with_clouds
from helper_at_work import HelperConfig, helping
from programs.client import run_client, script

from spire_bridge.service.dev.cloud_accounts import AUDIENCE, ENTRA_AUDIENCE

for package in ("boto3", "google.auth", "azure.identity", "kubernetes"):
    pytest.importorskip(package, reason=f"{package} is not installed")

pytestmark = [pytest.mark.asyncio(loop_scope="module")]

DOC = (ROOT / "docs" / "credentials.md").read_text()
WEB = "spiffe://example.org/east/web"
FOLDERS = ("/run/spire-bridge-helper", "/run/web", "/etc/spire-bridge")

Row = tuple[str, str]  # the cloud, the program


def rows() -> dict[Row, list[str]]:
    """The cells behind the program's."""
    found: dict[Row, list[str]] = {}
    for section in DOC.split("\n## ")[1:]:
        for line in section.splitlines()[4:]:
            if line.startswith("| "):
                program, *cells = (cell.strip() for cell in line.strip("|").split(" | "))
                row = (section.partition("\n")[0], program)
                assert row not in found
                found[row] = cells
    return found


ROWS = rows()

_PROGRAMS = "tests/peers/test_programs.py"
_VAULT = "tests/peers/test_vault_login.py"

# Each with the test that tries it elsewhere, or why nothing does.
NOT_WALKED = {
    ("AWS", "a store with an STS of its own"): "tests/peers/test_vm_doc.py",
    ("Vault and OpenBao", "vault, bao, hvac"): _VAULT,
    ("Vault and OpenBao", "what reads `~/.vault-token`"): _VAULT,
    ("Vault and OpenBao", "the same, kept fresh"): "tests/unit/service/helper/test_kinds.py",
    ("Further programs", "Velero"): _PROGRAMS,
    ("Further programs", "OpenShift's operators"): _PROGRAMS,
    ("Further programs", "Databricks"): _PROGRAMS,
    ("Further programs", "Snowflake"): _PROGRAMS,
    ("Further programs", "MongoDB"): _PROGRAMS,
    ("Further programs", "Kafka, Java"): _PROGRAMS,
    ("Further programs", "Terraform"): "its providers could not be had",
    ("Further programs", "Spring Boot"): _PROGRAMS,
    ("Further programs", "Java, key stores"): "tests/peers/test_java.py",
}


class Refused(Exception):
    """What the program, or who was shown its token, said against it."""


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def clouds() -> AsyncIterator[Clouds]:
    async with developing_with_clouds() as clouds:
        yield clouds


@dataclass(frozen=True, slots=True)
class Walk:
    """One row, in a folder with `spire-bridge` on its PATH; `audience` is whom tokens are for."""

    row: Row
    clouds: Clouds
    folder: Path
    audience: str

    @property
    def model(self) -> str:
        return self.clouds.variables["AWS_ENDPOINT_URL_STS"]

    def here(self, text: str) -> str:
        """The same with its folders in that of the test."""
        for folder in FOLDERS:
            text = text.replace(folder, str(self.folder))
        return text

    def command(self, *more: str) -> str:
        """What the row has to be run."""
        (found,) = re.findall(r"`(spire-bridge [^`]+)`", ROWS[self.row][1])
        return shlex.join([*shlex.split(self.here(found)), *more])

    async def run(self, command: list[str], given: bytes = b"", **variables: str) -> str:
        """Standard output, if it ends well."""
        around = {
            "PATH": f"{self.folder}:/usr/bin:/bin",
            "XDG_CACHE_HOME": str(self.folder / "cache"),
            "SPIFFE_ENDPOINT_SOCKET": self.clouds.agent,
        }
        ended: Ended = await run_client(command, self.folder, given=given, **(around | variables))
        if ended.status != 0:
            raise Refused(ended.err)
        return ended.out

    async def run_command(self, *more: str, given: bytes = b"", **variables: str) -> str:
        return await self.run(shlex.split(self.command(*more)), given, **variables)

    def configured(self, name: str, **settings: Any) -> HelperConfig:
        """An output of the row's configuration; `settings` are what the first run differs in."""
        (file,) = re.findall(r"\]\(\.\./(conf/[^)]+\.yaml)\)", ROWS[self.row][1])
        outputs = yaml.safe_load(self.here((ROOT / file).read_text()))["outputs"]
        (output,) = (output for output in outputs if output["name"] == name)
        return HelperConfig(self.folder, self.clouds.agent, [merged(output, settings)])

    async def kept(self, name: str, **settings: Any) -> Path:
        """The file of an output."""
        config = self.configured(name, **settings)
        await self.run([*PROGRAM, "helper", "--config", str(config.write()), "--once"])
        return Path(config.outputs[0]["path"])

    async def believed(self, token: str, audience: str = AUDIENCE) -> str:
        """The subject, as a verifier with the trust domain's keys reads it."""
        keys = pyjwt.PyJWKSet.from_dict(await self.clouds.key_set())
        key = keys[pyjwt.get_unverified_header(token)["kid"]]
        try:
            claims = pyjwt.decode(token, key, audience=audience)
        except pyjwt.InvalidAudienceError as error:
            raise Refused(str(error)) from None
        return str(claims["sub"])


def merged(output: dict[str, Any], settings: dict[str, Any]) -> dict[str, Any]:
    both = {k: {**output[k], **v} for k, v in settings.items() if isinstance(v, dict)}
    return {**output, **settings, **both}


async def aws(walk: Walk, **variables: str) -> str:
    region = {"AWS_REGION": "eu-central-1", "AWS_ENDPOINT_URL_STS": walk.model}
    return await walk.run(script("aws.py"), **region, **variables)


async def aws_token_file(walk: Walk) -> str:
    file = await walk.kept("aws", jwt={"audience": [walk.audience]})
    names = ("AWS_ROLE_ARN", "AWS_ROLE_SESSION_NAME")
    told = {name: walk.clouds.variables[name] for name in names}
    return await aws(walk, AWS_WEB_IDENTITY_TOKEN_FILE=str(file), **told)


async def aws_profile(walk: Walk, *more: str) -> str:
    config = walk.folder / "config"
    config.write_text(f"[profile web]\ncredential_process = {walk.command(*more)}\n")
    anywhere = {"AWS_ENDPOINT_URL_ROLESANYWHERE": walk.model}
    return await aws(walk, AWS_CONFIG_FILE=str(config), AWS_PROFILE="web", **anywhere)


async def aws_command(walk: Walk) -> str:
    return await aws_profile(walk, "--audience", walk.audience)


async def aws_loopback(walk: Walk) -> str:
    port = free_port()
    config = walk.configured(
        "aws-endpoint",
        aws={"audience": AUDIENCE, "endpoint": walk.model},
        endpoint={"address": f"127.0.0.1:{port}"},
    )
    async with helping(config) as helper:
        await helper.until_condition("aws-endpoint", "fresh")
        return await aws(
            walk,
            AWS_CONTAINER_CREDENTIALS_FULL_URI=f"http://127.0.0.1:{port}/aws/credentials",
            AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE=config.outputs[0]["endpoint"]["authorization"][
                "path"
            ],
        )


async def google(walk: Walk, *more: str, **variables: str) -> str:
    """google-auth with the file that the row's command writes."""
    await walk.run_command("--sts-endpoint", walk.model, "--iam-endpoint", walk.model, *more)
    return await walk.run(
        script("google_auth.py"),
        GOOGLE_APPLICATION_CREDENTIALS=str(walk.folder / "gcp.json"),
        GOOGLE_CLOUD_PROJECT="example",
        **variables,
    )


async def google_token_file(walk: Walk) -> str:
    words = ["fetch", "jwt", "--audience", walk.audience]
    (walk.folder / "gcp-token").write_text((await walk.run([*PROGRAM, *words])).strip())
    return await google(walk)


async def google_executable(walk: Walk) -> str:
    allowed = {"GOOGLE_EXTERNAL_ACCOUNT_ALLOW_EXECUTABLES": "1"}
    return await google(walk, "--audience", walk.audience, **allowed)


async def google_loopback(walk: Walk) -> str:
    port = free_port()
    config = walk.configured(
        "google-endpoint",
        jwt={"audience": [walk.audience]},
        endpoint={"address": f"127.0.0.1:{port}"},
    )
    async with helping(config) as helper:
        await helper.until_condition("google-endpoint", "fresh")
        return await google(walk, "--credential-source-url", f"http://127.0.0.1:{port}/token")


async def google_access_token(walk: Walk) -> str:
    endpoints = ("--sts-endpoint", walk.model, "--iam-endpoint", walk.model)
    return await walk.run_command("--audience", walk.audience, *endpoints)


def entra(walk: Walk, ca: str) -> dict[str, str]:
    host = walk.clouds.variables["AZURE_AUTHORITY_HOST"]
    return {"AZURE_AUTHORITY_HOST": host, ca: walk.clouds.variables["REQUESTS_CA_BUNDLE"]}


def entras(walk: Walk) -> str:
    return ENTRA_AUDIENCE if walk.audience == AUDIENCE else walk.audience


async def azure_token_file(walk: Walk) -> str:
    words = ["fetch", "jwt", "--audience", entras(walk)]
    (walk.folder / "azure-token").write_text((await walk.run([*PROGRAM, *words])).strip())
    host = entra(walk, "REQUESTS_CA_BUNDLE")
    lines = (await walk.run_command(**host)).splitlines()
    told = dict(line.split("=", 1) for line in lines)
    return await walk.run(script("azure_identity.py"), **(host | told))


async def azure_cli(walk: Walk) -> str:
    """The row's script is `az`; its command gives the same token by itself."""
    (words,) = re.findall(r"`(shift 2; exec [^`]+)`", ROWS[walk.row][0])
    options = f'--audience {entras(walk)} "$@"'
    program = walk.folder / "az"
    program.write_text("#!/bin/sh\n" + words.replace('"$@"', options) + "\n")
    program.chmod(0o700)
    host = entra(walk, "SSL_CERT_FILE")
    printed = json.loads(await walk.run_command("--audience", entras(walk), **host))
    assert printed["accessToken"].startswith("model")
    account = {name: walk.clouds.variables[name] for name in ("AZURE_TENANT_ID", "AZURE_CLIENT_ID")}
    return await walk.run(script("azure_cli.py"), **host, **account)


async def kubeconfig(walk: Walk) -> str:
    await walk.run_command("--audience", walk.audience)
    shown = await walk.run(script("kubeconfig_token.py", walk.folder / "web.kubeconfig"))
    return await walk.believed(shown.removeprefix("Bearer ").strip())


async def client_certificate(walk: Walk) -> str:
    status = json.loads(await walk.run_command())["status"]
    leaf = x509.load_pem_x509_certificate(status["clientCertificateData"].encode())
    names = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert "PRIVATE KEY" in status["clientKeyData"]
    return names.get_values_for_type(x509.UniformResourceIdentifier)[0]


async def kubelet(walk: Walk) -> str:
    request = {
        "kind": "CredentialProviderRequest",
        "apiVersion": "credentialprovider.kubelet.k8s.io/v1",
        "image": "registry.example/team/web:1",
    }
    given = json.dumps(request).encode()
    response = json.loads(await walk.run_command("--audience", walk.audience, given=given))
    return await walk.believed(response["auth"]["registry.example"]["password"])


async def docker(walk: Walk) -> str:
    login = await walk.run_command("--audience", walk.audience, given=b"registry.example")
    return await walk.believed(json.loads(login)["Secret"])


async def template(walk: Walk) -> str:
    """The template is the one that the example's comment shows."""
    text = (ROOT / "conf" / "helper-with-credentials.yaml").read_text()
    (source,) = re.findall(r'\{"token": .*\}\}\}', text)
    (walk.folder / "token.json.j2").write_text(source)
    file = await walk.kept("templated", jwt={"audience": [walk.audience]})
    return await walk.believed(json.loads(file.read_text())["token"])


WALKS: dict[Row, tuple[Callable[[Walk], Awaitable[str]], str]] = {
    ("AWS", "any SDK, a token file"): (aws_token_file, "ASIA"),
    ("AWS", "aws, any SDK, a command"): (aws_command, "ASIA"),
    ("AWS", "the same, by X.509-SVID"): (aws_profile, "ASIA"),
    ("AWS", "any SDK, over loopback"): (aws_loopback, "ASIA"),
    ("Google Cloud", "any SDK, a token file"): (google_token_file, "ya29.model"),
    ("Google Cloud", "any SDK, an executable"): (google_executable, "ya29.model"),
    ("Google Cloud", "any SDK, over loopback"): (google_loopback, "ya29.model"),
    ("Google Cloud", "curl and others that take an access token"): (google_access_token, "ya29."),
    ("Azure", "any SDK, a token file"): (azure_token_file, "model"),
    ("Azure", "what runs `az account get-access-token`"): (azure_cli, "model"),
    ("Kubernetes and registries", "kubectl, client libraries"): (kubeconfig, WEB),
    ("Kubernetes and registries", "the same, by X.509-SVID"): (client_certificate, WEB),
    ("Kubernetes and registries", "kubelet"): (kubelet, WEB),
    ("Kubernetes and registries", "docker"): (docker, WEB),
    ("Further programs", "any file, by a template"): (template, WEB),
}
# Certificates, and what the helper itself asks for; the refusals are in the rooms' own tests.
NO_CHOICE = (aws_profile, aws_loopback, client_certificate)
FOR_AN_AUDIENCE = [row for row in WALKS if WALKS[row][0] not in NO_CHOICE]


@pytest.fixture
def walk(clouds: Clouds, tmp_path: Path) -> Callable[..., Walk]:
    program = tmp_path / "spire-bridge"
    program.write_text(f'#!/bin/sh\nexec {shlex.join(PROGRAM)} "$@"\n')
    program.chmod(0o700)
    return lambda row, audience: Walk(row, clouds, tmp_path, audience)


async def test_every_row_is_walked_or_said_not_to_be() -> None:
    assert WALKS.keys() & NOT_WALKED.keys() == set()
    assert WALKS.keys() | NOT_WALKED.keys() == ROWS.keys()
    for reason in NOT_WALKED.values():
        assert " " in reason or (ROOT / reason).exists()


@pytest.mark.parametrize("row", WALKS, ids=" - ".join)
async def test_the_walk(walk: Callable[..., Walk], row: Row) -> None:
    steps, shown = WALKS[row]
    assert (await steps(walk(row, AUDIENCE))).startswith(shown)


@pytest.mark.parametrize("row", FOR_AN_AUDIENCE, ids=" - ".join)
async def test_a_token_for_another_leads_nowhere(walk: Callable[..., Walk], row: Row) -> None:
    with pytest.raises(Refused, match=r"(?i)audience|AADSTS700212|InvalidIdentityToken"):
        await WALKS[row][0](walk(row, "another"))
