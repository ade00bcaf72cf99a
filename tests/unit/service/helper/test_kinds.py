"""Each kind of output that is given for an SVID, over the sandbox and the model of AWS."""

from __future__ import annotations

import configparser
import json
import stat
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from aws_at_work import SUBJECT, AwsAtWork, aws_at_work
from child_process import free_port
from cryptography.hazmat.primitives.serialization import pkcs12
from helper_in_process import HelperInProcess, helper_settings, helping_here
from issuer_at_work import Clock
from loopback_http import Answer, ask
from token_endpoint import http, listening

from spire_bridge.config.yaml import InvalidConfig
from spire_bridge.credentials.errors import InvalidOutput
from spire_bridge.listen.address import ListenAddress
from spire_bridge.sandbox.entry import Entry
from spire_bridge.sandbox.trust_domain import SandboxTrustDomain
from spire_bridge.sandbox.workload import Workload
from spire_bridge.service.dev.cloud_accounts import ANCHOR_ARN, AUDIENCE, PROFILE_ARN, ROLE_ARN
from spire_bridge.service.helping.run import EndpointOnce, write_outputs
from spire_bridge.service.helping.service import HelperService

PASSWORD = "a password of the stores"


@pytest.fixture
async def aws(tmp_path: Path) -> AsyncIterator[AwsAtWork]:
    async with aws_at_work(tmp_path) as at_work:
        yield at_work


def web_identity(aws: AwsAtWork, **changes: Any) -> dict[str, Any]:
    return {
        "role_arn": ROLE_ARN,
        "audience": AUDIENCE,
        "endpoint": aws.addresses.http,
        "spiffe_id": SUBJECT,
        **changes,
    }


def certificate(aws: AwsAtWork, **changes: Any) -> dict[str, Any]:
    return {
        "role_arn": ROLE_ARN,
        "trust_anchor_arn": ANCHOR_ARN,
        "profile_arn": PROFILE_ARN,
        "endpoint": aws.addresses.http,
        "spiffe_id": SUBJECT,
        **changes,
    }


def at(port: int, folder: Path, name: str = "authorization") -> dict[str, Any]:
    return {"address": f"127.0.0.1:{port}", "authorization": {"path": str(folder / name)}}


async def asked(port: int, path: str, secret: str) -> Answer:
    headers = {"host": f"127.0.0.1:{port}", "authorization": secret}
    return await ask(ListenAddress("127.0.0.1", port), path, headers=headers)


async def written(helper: HelperInProcess, count: int = 1) -> None:
    await helper.until(lambda: all(state.writes >= count for state in helper.states))


@pytest.mark.parametrize("kind", ["aws", "roles_anywhere"])
async def test_a_session_in_a_file_is_renewed_at_half_of_it(
    aws: AwsAtWork, tmp_path: Path, kind: str
) -> None:
    make = web_identity if kind == "aws" else certificate
    file = tmp_path / "credentials"
    aws.workload.deregister(SUBJECT)
    aws.workload.register(Entry(SUBJECT, jwt_ttl_seconds=7200))  # by the clock that goes ahead
    wanted = make(aws, profile="web", duration_seconds=900)
    output = {"name": "o", kind: wanted, "path": str(file)}
    clock = Clock()
    settings = helper_settings(aws.workload.address, output)
    async with helping_here(settings, clock=clock) as helper:
        await written(helper)
        parser = configparser.ConfigParser()
        parser.read(file)
        assert parser["web"]["aws_access_key_id"].startswith("ASIA")
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
        first, state = file.read_bytes(), helper.state("o")
        assert state.expires_at is not None
        await helper.ring()
        assert len(aws.verdicts) == 1
        clock.ahead = (state.expires_at - clock()) / 2 + 1
        await helper.ring()
        assert len(aws.verdicts) == 2
        # The model's clock stays, and refuses what is signed so far ahead: then the file stays.
        assert (file.read_bytes() == first) is (kind == "roles_anywhere")
        assert bool(helper.state("o").failures) is (kind == "roles_anywhere")


@pytest.mark.parametrize("kind", ["aws", "roles_anywhere"])
async def test_a_refusal_is_the_error_of_the_output(
    aws: AwsAtWork, tmp_path: Path, kind: str
) -> None:
    wrong = (
        web_identity(aws, spiffe_id=None, hint="other")
        if kind == "aws"
        else certificate(aws, session_name="unwanted")
    )
    file = tmp_path / "credentials"
    output = {"name": "o", kind: wrong, "path": str(file)}
    async with helping_here(helper_settings(aws.workload.address, output)) as helper:
        await helper.until(lambda: helper.state("o").failures)
        (status,) = helper.service.status()["outputs"]
        assert status["condition"] == "absent"
        assert status["error"]["code"] == "AWS_ACCESS_DENIED"
        clause = "trust policy" if kind == "aws" else "session name"
        assert clause in json.dumps(status["error"])
        assert "eyJ" not in json.dumps(status)
        assert not file.exists()


async def test_credentials_are_served_to_who_has_the_secret(aws: AwsAtWork, tmp_path: Path) -> None:
    port, clock = free_port(), Clock()
    output = {"name": "o", "aws": web_identity(aws), "endpoint": at(port, tmp_path)}
    settings = helper_settings(aws.workload.address, output)
    async with helping_here(settings, clock=clock) as helper:
        await written(helper)
        file = tmp_path / "authorization"
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
        answer = await asked(port, "/aws/credentials", file.read_text())
        assert answer.status == 200
        assert set(answer.json()) == {"AccessKeyId", "SecretAccessKey", "Token", "Expiration"}
        assert (await asked(port, "/aws/credentials", "another")).status == 401
        clock.ahead = 100_000
        assert (await asked(port, "/aws/credentials", file.read_text())).status == 503
        for changed in (
            {**output, "aws": web_identity(aws, duration_seconds=900)},
            {"name": "o", "jwt": {"audience": ["a"]}, "path": str(tmp_path / "t")},
        ):
            with pytest.raises(InvalidConfig, match="a restart is needed to change outputs"):
                await helper.service.reload(helper_settings(aws.workload.address, changed))
    with pytest.raises(ConnectionRefusedError):
        await asked(port, "/aws/credentials", "")


async def test_a_token_is_served(workload: Workload, tmp_path: Path) -> None:
    port = free_port()
    endpoint = at(port, tmp_path)
    endpoint["authorization"]["mode"] = "0640"
    output = {"name": "o", "jwt": {"audience": ["a"]}, "endpoint": endpoint}
    async with helping_here(helper_settings(workload.address, output)) as helper:
        await written(helper)
        file = tmp_path / "authorization"
        assert stat.S_IMODE(file.stat().st_mode) == 0o640
        answer = await asked(port, "/token", file.read_text())
        assert (answer.status, answer.body[:3]) == (200, b"eyJ")
        assert (await asked(port, "/token", "another")).status == 401
    with pytest.raises(ConnectionRefusedError):
        await asked(port, "/token", "")


def test_once_serves_nothing(tmp_path: Path) -> None:
    output = {"name": "o", "jwt": {"audience": ["a"]}, "endpoint": at(free_port(), tmp_path)}
    file = tmp_path / "helper.yaml"
    file.write_text(json.dumps({"outputs": [output]}))
    with pytest.raises(EndpointOnce, match="have an endpoint: o") as refused:
        write_outputs(file, 1)
    assert refused.value.exit_status == 2
    assert not (tmp_path / "authorization").exists()


def stores(folder: Path, password: str = PASSWORD) -> dict[str, Any]:
    (folder / "password").write_text(f"{password}\n")
    names = ("key_store", "trust_store", "combined")
    files = {name: {"path": str(folder / name)} for name in names}
    return {
        "name": "o",
        "x509": {"pkcs12": {"password_file": str(folder / "password")}},
        "files": files,
    }


async def test_stores_are_rewritten_with_the_svid_alone(
    sandbox: SandboxTrustDomain, workload: Workload, tmp_path: Path
) -> None:
    settings = helper_settings(workload.address, stores(tmp_path))
    async with helping_here(settings) as helper:
        await written(helper)
        first = (tmp_path / "key_store").read_bytes()
        key, leaf, _ = pkcs12.load_key_and_certificates(first, PASSWORD.encode())
        assert key is not None
        assert leaf is not None
        with pytest.raises(ValueError, match="password"):
            pkcs12.load_key_and_certificates(first, b"another")
        combined = (tmp_path / "combined").read_bytes()
        assert b"BEGIN CERTIFICATE" in combined
        assert b"PRIVATE KEY" in combined
        modes = {n: stat.S_IMODE((tmp_path / n).stat().st_mode) for n in stores(tmp_path)["files"]}
        assert modes == {"key_store": 0o600, "trust_store": 0o644, "combined": 0o600}

        before = helper.state("o").confirmed_at
        workload.register(Entry("spiffe://example.org/second"))  # a message: not of this SVID
        await helper.until(lambda: helper.state("o").confirmed_at != before)
        assert helper.state("o").writes == 1

        trusted = (tmp_path / "trust_store").read_bytes()
        sandbox.x509.prepare()  # another authority
        await helper.until(lambda: helper.state("o").writes == 2)
        assert (tmp_path / "trust_store").read_bytes() != trusted
        assert (tmp_path / "key_store").read_bytes() == first

        workload.deregister("spiffe://example.org/second")
        workload.deregister("spiffe://example.org/workload")
        workload.register(Entry("spiffe://example.org/workload"))  # another SVID
        await helper.until(lambda: helper.state("o").writes == 3)
        assert (tmp_path / "key_store").read_bytes() != first


async def test_a_password_that_is_none_ends_the_start(workload: Workload, tmp_path: Path) -> None:
    settings = helper_settings(workload.address, stores(tmp_path, "short"))
    with pytest.raises(InvalidOutput, match="/password: a store's password"):
        async with HelperService(settings).running():
            pass


async def test_a_template_of_a_token_and_a_certificate(workload: Workload, tmp_path: Path) -> None:
    template, file = tmp_path / "t.j2", tmp_path / "out"
    template.write_text("{{ svid.token }}\n{{ certificates }}{{ expires_at }}")
    output = {
        "name": "o",
        "jwt": {"audience": ["a"]},
        "x509": {},
        "template": {"path": str(template)},
        "path": str(file),
    }
    settings = helper_settings(workload.address, output)
    async with helping_here(settings) as helper:
        await written(helper)
        token, rest = file.read_text().split("\n", 1)
        assert token.startswith("eyJ")
        assert rest.startswith("-----BEGIN CERTIFICATE-----")
        assert int(rest.rpartition("\n")[2]) == helper.state("o").expires_at
    template.write_text("fine\n{{ svid.token")
    with pytest.raises(InvalidOutput, match=rf"{template}: line 2"):
        async with HelperService(settings).running():
            pass


async def test_a_vault_token_is_renewed_and_then_of_a_new_login(
    workload: Workload, tmp_path: Path
) -> None:
    """The renewals dwindle towards the token's last end; each is compared with the login."""
    grants = {
        b"/login": [("first", 1000), ("second", 1000)],
        b"/renew-self": [("first", 800), ("first", 450)],
    }

    def converse(connection: Any, request: bytes) -> None:
        path = request.split(b" ")[1]
        (name,) = (name for name in grants if path.endswith(name))
        token, lease = grants[name].pop(0)
        auth = {"client_token": token, "lease_duration": lease, "renewable": True}
        connection.sendall(http(200, json.dumps({"auth": auth}).encode()))

    workload.deregister("spiffe://example.org/workload")
    workload.register(Entry("spiffe://example.org/workload", jwt_ttl_seconds=7200))
    clock, file = Clock(), tmp_path / "token"
    with listening(converse) as vault:
        output = {
            "name": "o",
            "vault": {"address": f"http://{vault.origin}", "audience": "vault", "role": "web"},
            "path": str(file),
        }
        settings = helper_settings(workload.address, output)
        async with helping_here(settings, clock=clock) as helper:
            await written(helper)
            assert file.read_text() == "first"
            for ahead, calls, token in ((501, 2, "first"), (902, 4, "second")):
                clock.ahead = ahead
                await helper.ring()
                await helper.until(lambda calls=calls: len(vault.requests) == calls)
                await helper.until(lambda token=token: file.read_text() == token)
    assert b'"role": "web"' in vault.requests[0]
    assert b"/auth/jwt/login" in vault.requests[3]


@pytest.mark.parametrize(("ttl", "warnings"), [(300, 1), (3600, 0)])
async def test_tokens_that_are_too_short_for_azure_are_told_once(
    workload: Workload,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    ttl: int,
    warnings: int,
) -> None:
    workload.deregister("spiffe://example.org/workload")
    workload.register(Entry("spiffe://example.org/workload", jwt_ttl_seconds=ttl))
    clock, audience = Clock(), "api://AzureADTokenExchange"
    output = {"name": "o", "jwt": {"audience": [audience]}, "path": str(tmp_path / "t")}
    settings = helper_settings(workload.address, output)
    async with helping_here(settings, clock=clock) as helper:
        await written(helper)
        clock.ahead = ttl / 2 + 2
        await helper.ring()
        await helper.until(lambda: helper.state("o").confirmed_at > clock() - 60)
    told = [r for r in caplog.records if r.message == "tokens are too short for Azure's SDKs"]
    assert len(told) == warnings
