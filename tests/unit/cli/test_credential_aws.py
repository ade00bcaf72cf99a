"""`credential aws` and `credential roles-anywhere` as processes, against the model of AWS."""

from __future__ import annotations

import asyncio
import json
import stat
import time
from collections.abc import AsyncIterator
from datetime import datetime
from pathlib import Path

import pytest
from aws_at_work import OTHER, ROLES_ANYWHERE, SUBJECT, AwsAtWork, aws_at_work, secrets_of
from command_line import SLOW_TO_LOAD, loaded

from spire_bridge.listen.address import ListenAddress
from spire_bridge.listen.http import Request, Response
from spire_bridge.listen.limits import Limits
from spire_bridge.listen.server import serving
from spire_bridge.service.dev.cloud_accounts import ROLE_ARN

LOOPBACK = ListenAddress("127.0.0.1", 0)
WITH_BODIES = Limits(keeps_bodies=True)


@pytest.fixture
async def aws(tmp_path: Path) -> AsyncIterator[AwsAtWork]:
    async with aws_at_work(tmp_path) as at_work:
        yield at_work


async def test_credentials_are_printed_and_kept(aws: AwsAtWork) -> None:
    ended = await aws.aws()
    assert (ended.status, ended.err) == (0, "")
    printed = ended.json()
    assert printed.keys() == {
        *("Version", "AccessKeyId", "SecretAccessKey", "SessionToken", "Expiration")
    }
    assert printed["Version"] == 1
    left = datetime.fromisoformat(printed["Expiration"]).timestamp() - time.time()
    assert 3_590 < left <= 3_600
    again = await aws.aws()
    assert again.json() == printed
    assert len(aws.verdicts) == 1
    assert aws.verdicts[0].identity["Arn"].endswith("assumed-role/web/example.org,web")
    (file,) = aws.cache.rglob("*.json")
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert stat.S_IMODE(file.parent.stat().st_mode) == 0o700


async def test_a_burst_of_twenty_makes_one_call(aws: AwsAtWork) -> None:
    ended = await asyncio.gather(*(aws.aws() for _ in range(20)))
    assert [(e.status, e.err) for e in ended] == [(0, "")] * 20
    assert len({e.json()["SessionToken"] for e in ended}) == 1
    assert len(aws.verdicts) == 1


async def test_a_session_of_fifteen_minutes_is_not_renewed_by_each_call(aws: AwsAtWork) -> None:
    first, second = [await aws.aws("--duration", "15m") for _ in range(2)]
    assert first.json() == second.json()
    assert len(aws.verdicts) == 1


async def test_what_is_asked_for_decides_what_is_kept(aws: AwsAtWork) -> None:
    for options in (
        *((), ("--duration", "20m"), ("--session-name", "other"), ("--spiffe-id", SUBJECT)),
        ("--no-cache",),
        ("--no-cache",),
    ):
        assert (await aws.aws(*options)).status == 0
    assert len(aws.verdicts) == 6
    assert len(aws.secrets_on_disk()) == 4


async def test_the_request_says_what_was_asked_for(aws: AwsAtWork) -> None:
    await aws.aws("--duration", "1800", "--session-name", "by-option", "--no-cache")
    await aws.aws("--no-cache", AWS_ROLE_SESSION_NAME="by-variable")
    by_option, by_variable = (verdict.identity for verdict in aws.verdicts)
    assert by_option["DurationSeconds"] == 1800
    assert by_option["Arn"].endswith("/by-option")
    assert by_variable["Arn"].endswith("/by-variable")


@pytest.mark.parametrize(
    ("options", "variables", "code", "status", "said"),
    [
        (
            ("--hint", "other"),
            {},
            "AWS_ACCESS_DENIED",
            1,
            ("AccessDenied: Not authorized to perform", "clause: trust policy", OTHER),
        ),
        (
            ("--audience", "unknown"),
            {},
            "AWS_INVALID_IDENTITY_TOKEN",
            1,
            ("registered audience", "trust evaluate --audience unknown --aws role.json"),
        ),
        (
            ("--role-arn", f"{ROLE_ARN}-absent"),
            {},
            "AWS_ACCESS_DENIED",
            1,
            ("Not authorized to perform sts:AssumeRoleWithWebIdentity",),
        ),
        (
            ("--duration", "3h"),
            {},
            "AWS_REQUEST_INVALID",
            2,
            ("MaxSessionDuration", "clause: session duration"),
        ),
        (("--duration", "60"), {}, "AWS_REQUEST_INVALID", 2, ("900", "it was not sent")),
        (("--session-name", "a/b"), {}, "AWS_REQUEST_INVALID", 2, ("roleSessionName",)),
        (("--hint", "unknown"), {}, "HINT_NOT_FOUND", 3, ("hints that the agent sent: other",)),
        ((), {"AWS_ROLE_ARN": ""}, "SETTING_MISSING", 2, ("give --role-arn or $AWS_ROLE_ARN",)),
        (("--endpoint", "http://sts.test"), {}, "ENDPOINT_INVALID", 2, ("without TLS",)),
        (
            ("--role-arn", ROLE_ARN.replace("arn:aws:", "arn:aws-cn:")),
            {"AWS_ENDPOINT_URL_STS": "", "AWS_REGION": "eu-central-1"},
            "AWS_REGION_INVALID",
            2,
            ("partition aws,",),
        ),
        ((), {"SPIFFE_ENDPOINT_SOCKET": "unix:///nowhere.sock"}, "SOCKET_MISSING", 4, ()),
    ],
)
async def test_a_refusal_names_the_clause(
    aws: AwsAtWork,
    options: tuple[str, ...],
    variables: dict[str, str],
    code: str,
    status: int,
    said: tuple[str, ...],
) -> None:
    ended = await aws.aws(*options, **variables)
    assert (ended.error, ended.status) == (code, status), ended.err
    for words in said:
        assert words in ended.err
    assert "eyJ" not in ended.err
    assert aws.secrets_on_disk() == []


async def test_no_secret_is_printed_but_to_standard_output(aws: AwsAtWork) -> None:
    ended = await aws.aws("--no-cache")
    for secret in secrets_of(ended.json()):
        assert secret not in ended.err
    assert aws.secrets_on_disk() == []


async def test_an_endpoint_over_tls_has_to_be_trusted(aws: AwsAtWork) -> None:
    secure = {"AWS_ENDPOINT_URL_STS": aws.addresses.https}
    refused = await aws.aws(**secure)
    assert (refused.error, refused.status) == ("CALL_FAILED", 4)
    assert "is not trusted here" in refused.err
    assert (await aws.aws("--ca-file", str(aws.ca), **secure)).status == 0


async def test_a_session_policy_goes_along(aws: AwsAtWork, tmp_path: Path) -> None:
    policy = tmp_path / "policy.json"
    policy.write_text('{"Version": "2012-10-17", "Statement": []}')
    assert (await aws.aws("--policy", str(policy))).status == 0
    policy.write_text("no policy")
    refused = await aws.aws("--policy", str(policy))
    assert (refused.error, refused.status) == ("AWS_REQUEST_INVALID", 2)
    assert "clause: session policy" in refused.err


THROTTLED = (
    b'<ErrorResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><Error><Type>Sender</Type>'
    b"<Code>Throttling</Code><Message>Rate exceeded</Message></Error></ErrorResponse>"
)


async def test_a_busy_endpoint_is_asked_again(aws: AwsAtWork) -> None:
    asked: list[Request] = []

    def busy(request: Request) -> Response:
        asked.append(request)
        return Response(400, (), THROTTLED)

    async with serving(busy, LOOPBACK, limits=WITH_BODIES) as address:
        ended = await aws.aws("--timeout", "1.5s", AWS_ENDPOINT_URL_STS=f"http://{address}")
    assert (ended.error, ended.status) == ("AWS_THROTTLED", 4)
    assert "Throttling: Rate exceeded" in ended.err
    assert len(asked) > 1


@pytest.mark.parametrize(
    ("answer", "code", "status"),
    [
        (Response(200, (), b"<html>log in first</html>"), "AWS_ANSWER_UNEXPECTED", 1),
        (Response(302, (("location", "/"),)), "AWS_ANSWER_UNEXPECTED", 1),
        (Response(403, (), b"<html>forbidden"), "AWS_ANSWER_UNEXPECTED", 1),
        (Response(200, (), b"<a>" * 300_000), "AWS_ANSWER_UNEXPECTED", 1),
        (Response(200, (), b" " * 1_100_000), "CALL_FAILED", 4),
        (
            Response(200, (), b'<!DOCTYPE a [<!ENTITY b "c">]><a>&b;</a>'),
            "AWS_ANSWER_UNEXPECTED",
            1,
        ),
    ],
)
async def test_an_odd_answer_is_told_apart(
    aws: AwsAtWork, answer: Response, code: str, status: int
) -> None:
    async with serving(lambda _: answer, LOOPBACK, limits=WITH_BODIES) as address:
        ended = await aws.aws(AWS_ENDPOINT_URL_STS=f"http://{address}")
    assert (ended.error, ended.status) == (code, status), ended.err


async def test_an_endpoint_that_is_down_or_slow_is_given_up(aws: AwsAtWork) -> None:
    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()

    async with await asyncio.start_server(silent, "127.0.0.1", 0) as server:
        host, port = server.sockets[0].getsockname()
        url = f"http://{host}:{port}"
        slow = await aws.aws("--timeout", "500ms", AWS_ENDPOINT_URL_STS=url)
    down = await aws.aws(AWS_ENDPOINT_URL_STS=url)
    assert [slow.error, down.error] == ["CALL_FAILED"] * 2
    assert "did not answer within 0.5 s" in slow.err
    assert "refused" in down.err


async def test_without_a_new_token_what_is_kept_serves_to_its_end(aws: AwsAtWork) -> None:
    await aws.aws("--duration", "15m")
    (file,) = aws.cache.rglob("*.json")
    entry = json.loads(file.read_text())
    entry["expires_at"] = int(time.time()) + 60
    file.write_text(json.dumps(entry))
    aws.workload.deregister(SUBJECT)
    aws.workload.deregister(OTHER)
    assert (await aws.aws("--duration", "15m")).status == 0
    entry["expires_at"] = int(time.time()) - 1
    file.write_text(json.dumps(entry))
    assert (await aws.aws("--duration", "15m")).error == "PERMISSION_DENIED"


@pytest.mark.parametrize(
    "words", [("aws", "--audience", "demo"), ("roles-anywhere", *ROLES_ANYWHERE)]
)
async def test_a_kept_answer_is_printed_without_what_is_slow_to_load(
    aws: AwsAtWork, words: tuple[str, ...]
) -> None:
    called, kept = [
        await asyncio.to_thread(loaded, "credential", *words, **aws.environment()) for _ in range(2)
    ]
    assert "http.client" in called
    assert kept.isdisjoint(SLOW_TO_LOAD)
    assert not {name for name in kept if name.startswith("spire_bridge.transport")}


async def test_an_x509_svid_gets_a_session(aws: AwsAtWork) -> None:
    ended = await aws.roles_anywhere("--duration", "15m")
    assert (ended.status, ended.err) == (0, "")
    assert ended.json()["Version"] == 1
    assert (await aws.roles_anywhere("--duration", "15m")).json() == ended.json()
    assert len(aws.verdicts) == 1
    (kept,) = aws.secrets_on_disk()
    assert "PRIVATE KEY" not in kept
    other = await aws.roles_anywhere("--hint", "other", "--no-cache")
    assert other.status == 0


@pytest.mark.parametrize(
    ("options", "code", "status", "said"),
    [
        (
            ("--role-arn", f"{ROLE_ARN}-other"),
            "AWS_ACCESS_DENIED",
            1,
            "one of: role, trust policy",
        ),
        (("--session-name", "name"), "AWS_ACCESS_DENIED", 1, "clause: session name"),
        (("--duration", "3h"), "AWS_REQUEST_INVALID", 2, "clause: session duration"),
        (("--duration", "60"), "AWS_REQUEST_INVALID", 2, "it was not sent"),
        (("--profile-arn", "arn:none"), "AWS_REQUEST_INVALID", 2, "trust anchor, profile"),
        (("--spiffe-id", "spiffe://example.org/none"), "IDENTITY_NOT_ISSUED", 3, SUBJECT),
    ],
)
async def test_a_refused_certificate_is_told_the_clause(
    aws: AwsAtWork, options: tuple[str, ...], code: str, status: int, said: str
) -> None:
    ended = await aws.roles_anywhere(*options)
    assert (ended.error, ended.status) == (code, status), ended.err
    assert said in ended.err
    assert aws.secrets_on_disk() == []
