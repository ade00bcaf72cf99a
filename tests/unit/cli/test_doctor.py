"""`doctor` as a process, over the sandbox and an issuer: each break for real."""

from __future__ import annotations

import json
import socket
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from anywhere_role import anywhere_role
from command_line import Ended, run
from cryptography.hazmat.primitives.serialization import Encoding
from forgery.tokens import ec_key, jwk
from issuer_at_work import Clock
from object_stores.faulty_s3 import Content, FaultyS3, faulty_s3

from spire_bridge.sandbox.entry import Entry
from spire_bridge.sandbox.faults import Fault
from spire_bridge.sandbox.trust_domain import SandboxTrustDomain
from spire_bridge.sandbox.workload import Workload

WEB = "spiffe://example.org/web"
DISCOVERY, KEYS = "/.well-known/openid-configuration", "/keys"
CHECKS = [
    *("socket", "entry", "jwt-svid", "x509-svid", "issuer", "key", "key-set"),
    *("clock", "audience", "environment", "files", "clouds"),
]


@dataclass
class Ward:
    """A workload of a trust domain, its issuer, and the doctor."""

    sandbox: SandboxTrustDomain
    workload: Workload
    issuer: FaultyS3
    clock: Clock
    environment: dict[str, str] = field(default_factory=dict)

    def publish(
        self, *more: dict[str, Any], headers: dict[str, str] | None = None, **discovery: Any
    ) -> None:
        """The issuer's documents, with more keys and other members of the first."""
        document = {"issuer": self.issuer.url, "jwks_uri": self.issuer.url + KEYS, **discovery}
        keys = [*json.loads(self.sandbox.bundle.jwks)["keys"], *more]
        self.serve(DISCOVERY, document)
        self.serve(KEYS, {"keys": keys}, headers)

    def serve(self, path: str, value: Any, headers: dict[str, str] | None = None) -> None:
        self.issuer.objects[path] = Content(json.dumps(value).encode(), headers or {})

    async def examine(self, *words: str, **changes: str) -> Ended:
        """Runs the doctor; no token's signature, and no key, may be in what it says."""
        where = {"SPIFFE_ENDPOINT_SOCKET": self.workload.address, **self.environment}
        ended = await run("doctor", *words, **(where | changes))
        said = ended.out + ended.err
        tokens = [svid.token for svid in self.workload.agent._jwt_svids.values()]
        assert not [token for token in tokens if token.rpartition(".")[2] in said]
        assert "PRIVATE KEY" not in said
        return ended

    async def report(self, *words: str, **changes: str) -> dict[str, Any]:
        """What it says as JSON; standard error is empty then."""
        ended = await self.examine(*words, "--output", "json", **changes)
        assert ended.err == ""
        report: dict[str, Any] = ended.json()
        assert report["exit_status"] == ended.status
        return report

    async def codes(self, *words: str, **changes: str) -> dict[str, str]:
        """What is not as it should be, by check."""
        report = await self.report(*words, **changes)
        good = ("OK", "NOTHING_TO_CHECK", "NOT_REACHED")
        return {c["check"]: c["code"] for c in report["checks"] if c["code"] not in good}


@pytest.fixture
def issuer() -> Iterator[FaultyS3]:
    with faulty_s3() as site:
        yield site


@pytest.fixture
async def ward(issuer: FaultyS3) -> AsyncIterator[Ward]:
    clock = Clock()
    async with SandboxTrustDomain("example.org", jwt_issuer=issuer.url, clock=clock) as sandbox:
        cluster = await sandbox.start_cluster("east")
        workload = await cluster.add_workload("workload", Entry(WEB, hint="internal"))
        ward = Ward(sandbox, workload, issuer, clock)
        ward.publish()
        yield ward


def lines(ended: Ended) -> list[list[str]]:
    """Outcome and check of each line that is no hint."""
    return [line.split()[:2] for line in ended.out.splitlines() if not line.startswith(" ")]


async def test_a_healthy_path(ward: Ward) -> None:
    ended = await ward.examine("--audience", "here")
    assert (ended.status, ended.err) == (0, ""), ended.out
    skipped = {"environment", "files", "clouds"}
    assert lines(ended) == [["skip" if name in skipped else "ok", name] for name in CHECKS]
    assert "hint" not in ended.out.replace("(hint internal)", "")


async def test_a_healthy_path_as_json(ward: Ward) -> None:
    report = await ward.report()
    assert (report["exit_status"], report["first_break"]) == (0, None)
    assert [check["check"] for check in report["checks"]] == CHECKS
    entry = report["checks"][1]
    assert entry == {
        "check": "entry",
        "outcome": "ok",
        "code": "OK",
        "about": None,
        "seen": f"{WEB} (hint internal)",
        "hints": [],
    }


async def test_no_entry_says_what_to_register(ward: Ward) -> None:
    ward.workload.deregister(WEB)
    ended = await ward.examine("--spiffe-id", "spiffe://example.org/api")
    assert ended.status == 3
    assert ended.err == "broken at: entry (PERMISSION_DENIED)\n"
    assert lines(ended)[:3] == [["ok", "socket"], ["fail", "entry"], ["skip", "jwt-svid"]]
    assert "not reached: see entry" in ended.out
    assert "entry create -parentID AGENT-ID -spiffeID spiffe://example.org/api -sel" in ended.out
    assert "unix:uid:" in ended.out


@pytest.mark.parametrize(
    ("words", "code", "seen"),
    [
        (("--hint", "external"), "HINT_NOT_FOUND", "none with the hint 'external'"),
        (("--spiffe-id", f"{WEB}2"), "IDENTITY_NOT_ISSUED", f"not {WEB}2"),
    ],
)
async def test_another_identity_than_the_one_that_is_meant(
    ward: Ward, words: tuple[str, str], code: str, seen: str
) -> None:
    report = await ward.report(*words)
    assert (report["exit_status"], report["first_break"]) == (3, "entry")
    entry = report["checks"][1]
    assert entry["code"] == code
    assert f"{WEB} (hint internal)" in entry["seen"]
    assert seen in entry["seen"]
    assert entry["hints"]


async def test_the_identity_that_is_meant(ward: Ward) -> None:
    ward.workload.register(Entry("spiffe://example.org/api", hint="external"))
    for words in (("--hint", "external"), ("--spiffe-id", "spiffe://example.org/api")):
        report = await ward.report(*words)
        assert report["exit_status"] == 0
        assert report["checks"][2]["seen"].startswith("spiffe://example.org/api, RS256")
        assert report["checks"][3]["seen"].startswith("spiffe://example.org/api, ends")


@pytest.mark.parametrize(
    ("fault", "status", "code"),
    [
        (Fault.HANG, 4, "DEADLINE_EXCEEDED"),
        (Fault.UNAVAILABLE, 4, "UNAVAILABLE"),
        (Fault.UNIMPLEMENTED, 1, "UNIMPLEMENTED"),
        (Fault.MALFORMED, 1, "SVID_INVALID"),
    ],
)
async def test_an_agent_at_fault(ward: Ward, fault: Fault, status: int, code: str) -> None:
    ward.workload.fault = fault
    report = await ward.report("--timeout", "1s")
    assert (report["exit_status"], report["first_break"]) == (status, "entry")
    assert report["checks"][1]["code"] == code


async def test_no_address_and_what_does_not_depend_on_one(ward: Ward) -> None:
    words = ("--issuer", ward.issuer.url)
    report = await ward.report(*words, SPIFFE_ENDPOINT_SOCKET="")
    assert (report["exit_status"], report["first_break"]) == (2, "socket")
    outcomes = {check["check"]: check["outcome"] for check in report["checks"]}
    assert outcomes["entry"] == outcomes["key"] == "not reached"
    assert outcomes["issuer"] == "ok"


async def test_a_mute_listener(ward: Ward) -> None:
    path = ward.workload.socket_path.with_name("mute.sock")
    with socket.socket(socket.AF_UNIX) as mute:
        mute.bind(str(path))
        mute.listen()
        report = await ward.report("--timeout", "1s", "--socket", f"unix://{path}")
    assert (report["exit_status"], report["first_break"]) == (4, "entry")


async def test_an_issuer_that_is_down(ward: Ward) -> None:
    words = ("--issuer", "http://127.0.0.1:1")
    ended = await ward.examine(*words)
    assert ended.status == 4
    assert ended.err == "broken at: issuer (ISSUER_UNREACHABLE)\n"
    assert f"curl -v http://127.0.0.1:1{DISCOVERY}" in ended.out
    ward.issuer.refusals = [404]
    report = await ward.report()
    assert (report["exit_status"], report["first_break"]) == (1, "issuer")
    assert report["checks"][4]["code"] == "ISSUER_INVALID"


async def test_an_issuer_in_a_folder(ward: Ward, tmp_path: Path) -> None:
    for name, path in (("openid-configuration.json", DISCOVERY), ("jwks.json", KEYS)):
        (tmp_path / name).write_bytes(ward.issuer.objects[path].body)
    assert await ward.codes("--issuer", str(tmp_path)) == {}
    (tmp_path / "jwks.json").write_text("[]")
    report = await ward.report("--issuer", str(tmp_path))
    assert (report["exit_status"], report["checks"][4]["code"]) == (1, "ISSUER_INVALID")
    assert report["checks"][4]["hints"] == []


async def test_an_issuer_by_another_name(ward: Ward) -> None:
    ward.publish(issuer=f"{ward.issuer.url}/")
    assert await ward.codes() == {"issuer": "ISSUER_MISMATCH"}


async def test_keys_that_differ(ward: Ward) -> None:
    other = jwk(ec_key(), kid="other")
    ward.publish(other)
    assert await ward.codes() == {"key-set": "KEYS_UNKNOWN"}
    ward.serve(KEYS, {"keys": [other]})
    codes = await ward.codes()
    assert codes == {"key": "KEY_NOT_SERVED", "key-set": "KEYS_MISSING"}
    (key,) = ward.sandbox.jwt.keys
    ward.serve(KEYS, {"keys": [jwk(ec_key(), kid=key.key_id)]})
    assert await ward.codes() == {"key": "SIGNATURE_INVALID"}
    ward.publish(id_token_signing_alg_values_supported=["ES256"])
    assert await ward.codes() == {"key": "ALGORITHM_NOT_LISTED"}
    ward.publish()
    ward.sandbox.jwt.prepare()
    assert await ward.codes() == {"key-set": "KEYS_MISSING"}


@pytest.mark.parametrize(
    ("ahead", "expected"),
    [
        (30, {}),
        (200, {"clock": "CLOCK_SKEWED"}),
        (400, {"clock": "CLOCK_SKEWED"}),
        (-240, {"jwt-svid": "SVID_NOT_RENEWED", "clock": "CLOCK_SKEWED"}),
        (-400, {"jwt-svid": "SVID_EXPIRED", "clock": "CLOCK_SKEWED"}),
    ],
)
async def test_the_server_s_clock(ward: Ward, ahead: int, expected: dict[str, str]) -> None:
    ward.clock.ahead = ahead
    report = await ward.report()
    checks = {check["check"]: check for check in report["checks"]}
    assert {n: c["code"] for n, c in checks.items() if c["outcome"] in ("warn", "fail")} == expected
    assert report["exit_status"] == (1 if abs(ahead) > 300 else 0)
    if expected:
        assert "set the SPIRE server's clock" in checks["clock"]["hints"][0]


async def test_the_issuer_s_clock(ward: Ward) -> None:
    ward.publish(headers={"Age": "400"})
    report = await ward.report()
    clock = next(check for check in report["checks"] if check["check"] == "clock")
    assert (clock["outcome"], clock["code"]) == ("fail", "CLOCK_SKEWED")
    assert "the issuer's machine" in clock["hints"][0]


async def test_several_audiences_at_once(ward: Ward) -> None:
    codes = await ward.codes("--audience", "a", "--audience", "b")
    assert codes == {"audience": "AUDIENCES_SEVERAL"}


async def test_a_file_that_a_variable_names(ward: Ward, tmp_path: Path) -> None:
    file = tmp_path / "token"
    fetched = await run("fetch", "jwt", "--audience", "a", "--socket", ward.workload.address)
    file.write_text(fetched.out)  # with its newline
    file.chmod(0o600)
    ward.environment = {"AWS_WEB_IDENTITY_TOKEN_FILE": str(file), "AWS_ROLE_ARN": "arn:x"}
    assert await ward.codes("--audience", "a") == {"files": "TOKEN_NOT_BARE"}
    file.write_text(fetched.out.strip())
    assert await ward.codes("--audience", "a") == {}
    assert await ward.codes("--audience", "b") == {"files": "TOKEN_AUDIENCE"}
    report = await ward.report("--file", str(tmp_path), SPIFFE_ENDPOINT_SOCKET="")
    assert report["checks"][-2]["outcome"] == "ok", "files need no agent"
    assert report["checks"][-3]["code"] == "FILE_WRONG_TYPE"


def vault(ward: Ward, folder: Path, **role: Any) -> str:
    config = {"oidc_discovery_url": ward.issuer.url, "bound_issuer": ward.issuer.url}
    base = {"role_type": "jwt", "user_claim": "sub", "bound_audiences": ["vault"], **role}
    file = folder / "vault.json"
    file.write_text(json.dumps({"role": {"data": base}, "config": {"data": config}}))
    return str(file)


async def test_what_a_cloud_would_say(ward: Ward, tmp_path: Path) -> None:
    good = vault(ward, tmp_path)
    report = await ward.report("--vault", good)
    cloud = report["checks"][-1]
    assert (cloud["outcome"], cloud["about"]) == ("ok", good), cloud
    assert report["checks"][8]["seen"] == "vault", "the audience that the role is meant for"
    report = await ward.report("--vault", good, "--audience", "other")
    cloud = report["checks"][-1]
    assert (report["exit_status"], report["first_break"]) == (1, "clouds")
    assert cloud["code"] == "CLOUD_REFUSES"
    assert "found" in cloud["seen"]
    assert "spire-bridge trust evaluate --audience A --vault FILE" in cloud["hints"][-1]
    strict = vault(ward, tmp_path, bound_subject=f"{WEB}2")
    assert await ward.codes("--vault", strict) == {"clouds": "CLOUD_REFUSES"}


async def test_each_cloud_is_shown_a_token_for_its_own_audience(ward: Ward, tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    files = (vault(ward, tmp_path), vault(ward, tmp_path / "other", bound_audiences=["other"]))
    assert await ward.codes("--vault", *files) == {}
    assert await ward.codes("--vault", *files, "--audience", "other") == {"clouds": "CLOUD_REFUSES"}


async def test_a_cloud_is_not_asked_about_a_broken_path(ward: Ward, tmp_path: Path) -> None:
    ward.serve(KEYS, {"keys": []})
    report = await ward.report("--vault", vault(ward, tmp_path))
    assert report["checks"][-1]["outcome"] == "not reached"
    assert report["checks"][-1]["seen"] == "not reached: see key"


async def test_a_certificate_for_roles_anywhere(ward: Ward, tmp_path: Path) -> None:
    (authority,) = ward.sandbox.x509.keys
    file = tmp_path / "anywhere.json"
    pem = authority.root.public_bytes(Encoding.PEM).decode()
    file.write_text(json.dumps(anywhere_role(pem)))
    report = await ward.report("--roles-anywhere", str(file))
    assert report["checks"][-1]["check"] == "roles-anywhere"
    assert report["checks"][-1]["outcome"] == "ok"
    file.write_text(json.dumps(anywhere_role(pem, enabled=False)))
    assert await ward.codes("--roles-anywhere", str(file)) == {"roles-anywhere": "CLOUD_REFUSES"}


async def test_an_svid_without_an_issuer(cli: Any) -> None:
    ended = await cli("doctor", "--output", "json")
    assert ended.status == 0
    checks = {check["check"]: check for check in ended.json()["checks"]}
    assert (checks["issuer"]["outcome"], checks["issuer"]["code"]) == ("warn", "ISSUER_NOT_NAMED")
    assert "jwt_issuer" in checks["issuer"]["hints"][0]
    assert checks["key"]["outcome"] == checks["key-set"]["outcome"] == "skip"


@pytest.mark.parametrize(
    "words",
    [
        ("--spiffe-id", "no ID"),
        ("--vault", "/nowhere.json"),
        ("--ca-file", "/nowhere.pem"),
    ],
)
async def test_what_can_not_be_asked(ward: Ward, words: tuple[str, str]) -> None:
    ended = await ward.examine(*words)
    assert ended.status in (1, 2)
    assert ended.error
    assert ended.out == ""
