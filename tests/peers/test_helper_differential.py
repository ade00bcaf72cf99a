"""The drop-in beside spiffe-helper, on the same agent: what differs is deliberate.

What each test shows to differ stands in `docs/helper-differences.json`.
"""

from __future__ import annotations

import asyncio
import base64
import json
import os
import signal
import stat
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest
from child_process import free_port
from discovery_providers.exchange import Answer, Place, Request
from discovery_providers.programs import ROOT, Ended, reference_or_skip
from spiffe_helpers.configurations import (
    BUNDLE,
    TOKEN,
    X509,
    Configuration,
    configurations,
    written,
)
from spiffe_helpers.differences import ENTRIES, deliberate
from spiffe_helpers.programs import NAME, RECORDER, Found, Helper, both, children, end
from trust_domains.under_test import TrustDomainUnderTest
from verifiers.toolchains import go_program

from spire_bridge.sandbox.entry import Entry
from spire_bridge.sandbox.trust_domain import SandboxTrustDomain
from spire_bridge.sandbox.workload import Workload
from spire_bridge.service.drop_in.spiffe_helper.arguments import InvalidArguments, split_arguments

pytestmark = pytest.mark.timeout(120)

CONFIGURATIONS = list(configurations(15))
Pair = tuple[Helper, Helper]


@pytest.fixture(scope="module")
def reference() -> str:
    return reference_or_skip(NAME)


@pytest.fixture
def folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="sb-") as name:
        yield Path(name)


@pytest.fixture
async def agent() -> AsyncIterator[Workload]:
    """Two identities with an intermediate, and a federated trust domain."""
    async with (
        SandboxTrustDomain("example.org", x509_intermediate=True) as trust_domain,
        SandboxTrustDomain("another.test") as another,
    ):
        trust_domain.federate(another)
        cluster = await trust_domain.start_cluster("east")
        entries = [
            Entry(f"spiffe://example.org/{name}", hint=hint, federates_with=("another.test",))
            for name, hint in (("first", ""), ("second", "second"))
        ]
        yield await cluster.add_workload("workload", *entries)


def comparable(files: Mapping[str, Found]) -> dict[str, Any]:
    """The files; of JWT bundles the keys, in whatever order."""
    return {
        name: (_bundles(found.data) if name == "bundle.json" else found.data, found.mode)
        for name, found in files.items()
    }


def _bundles(data: bytes) -> dict[str, list[str]]:
    assert deliberate("key-order")
    sets = json.loads(data)
    assert json.dumps(sets, separators=(",", ":")).encode() == data
    keys = {name: base64.b64decode(text) for name, text in sets.items()}
    for text in keys.values():
        assert json.dumps(json.loads(text), separators=(",", ":")).encode() == text
    return {name: sorted(map(json.dumps, json.loads(text)["keys"])) for name, text in keys.items()}


@pytest.mark.parametrize("number", range(len(CONFIGURATIONS)))
async def test_both_write_the_same_once(
    number: int, reference: str, folder: Path, agent: Workload
) -> None:
    configuration = CONFIGURATIONS[number]
    pair = both(reference, folder, configuration.umask)
    for helper in pair:
        helper.configure(configuration.text(agent.socket_path, helper.folder / "certs"))
        _prepare(helper, configuration)
    ended = [await asyncio.to_thread(helper.once) for helper in pair]
    assert [e.status for e in ended] == [0, 0], ended
    ours, theirs = (comparable(helper.files()) for helper in pair)
    assert ours == theirs, configuration
    left = {path.name for path in (pair[0].folder / "certs").iterdir()}
    assert left == set(ours)  # and nothing beside


def _prepare(helper: Helper, configuration: Configuration) -> None:
    """Has files be there, of another mode."""
    if configuration.present_mode is not None:
        for name in ("key.pem", "one.jwt"):
            if name in configuration.text(Path(), Path()):
                path = helper.folder / "certs" / name
                path.write_bytes(b"old and longer than anything" * 1000)
                path.chmod(configuration.present_mode)


async def test_both_keep_the_same_of_any_agent(
    reference: str, folder: Path, trust_domain: TrustDomainUnderTest
) -> None:
    at = await trust_domain.agent("east")
    await at.register("/web")
    pair = both(reference, folder)
    for helper in pair:
        configuration = Configuration({**X509, **BUNDLE, **TOKEN}, 0o022, None)
        helper.configure(
            configuration.text(Path(at.address.removeprefix("unix://")), helper.folder / "certs")
        )
    with daemons(pair) as processes:
        await asyncio.to_thread(until_files, pair, processes, 6)
        before = comparable(pair[0].files())
        assert before == comparable(pair[1].files())
        await trust_domain.prepare_x509()
        former = await trust_domain.activate_x509()
        await trust_domain.taint_x509(former)

        def renewed() -> bool:
            ours, theirs = (comparable(helper.files()) for helper in pair)
            return ours == theirs and ours["svid.pem"] != before["svid.pem"]

        await asyncio.to_thread(pair[0].until, renewed, processes[0])
        statuses = [
            await asyncio.to_thread(end, process, number)
            for process, number in zip(processes, (signal.SIGTERM, signal.SIGTERM), strict=True)
        ]
        assert statuses == [0, 0]
    assert len(pair[0].files()) == 6


@contextmanager
def daemons(pair: Pair, **variables: str) -> Iterator[tuple[subprocess.Popen[bytes], ...]]:
    with ExitStack() as stack:
        yield tuple(
            stack.enter_context(helper.daemon(**variables, RECORD=str(helper.folder / "record")))
            for helper in pair
        )


def until_files(pair: Pair, processes: tuple[subprocess.Popen[bytes], ...], count: int) -> None:
    for helper, process in zip(pair, processes, strict=True):
        helper.until(lambda h=helper: len(_whole(h)) == count, process)


def _whole(helper: Helper) -> list[str]:
    return [name for name, found in helper.files().items() if found.data]


def recorded(helper: Helper) -> list[Any]:
    file = helper.folder / "record"
    return [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []


async def renew(agent: Workload) -> None:
    """New X.509-SVIDs, in one message."""
    entries = list(agent.entries)
    agent.agent.forget(entries)
    agent.changes.notify()
    await asyncio.sleep(0)


def with_program(helper: Helper, agent: Workload, **options: Any) -> None:
    script = helper.folder / "recorder.py"
    script.write_text(RECORDER)
    helper.configure(
        written(
            {
                "agent_address": str(agent.socket_path),
                "cert_dir": str(helper.folder / "certs"),
                **X509,
                "cmd": sys.executable,
                "cmd_args": f'{script} "two  words" "" "say ""no""" \\ $X',
                **options,
            }
        )
    )


ARGUMENTS = ["two  words", "", 'say "no"', "\\", "$X"]


@pytest.mark.parametrize("renew_signal", ["SIGHUP", "SIGUSR1"])
async def test_both_run_and_signal_the_program(
    renew_signal: str, reference: str, folder: Path, agent: Workload
) -> None:
    pair = both(reference, folder)
    for helper in pair:
        with_program(helper, agent, renew_signal=renew_signal)
    with daemons(pair) as processes:
        for expected in ([ARGUMENTS], [ARGUMENTS, renew_signal]):
            for helper, process in zip(pair, processes, strict=True):
                await asyncio.to_thread(
                    helper.until, lambda h=helper, e=expected: recorded(h) == e, process
                )
            await renew(agent)


async def test_both_run_a_program_again_that_has_ended(
    reference: str, folder: Path, agent: Workload
) -> None:
    pair = both(reference, folder)
    for helper in pair:
        with_program(helper, agent, cmd_args=f"{helper.folder / 'recorder.py'} --end")
    with daemons(pair) as processes:
        for count in (1, 2):
            for helper, process in zip(pair, processes, strict=True):
                await asyncio.to_thread(
                    helper.until,
                    lambda h=helper, c=count: recorded(h) == [["--end"]] * c,
                    process,
                )
                await asyncio.to_thread(helper.until, lambda p=process: not children(p), process)
            await renew(agent)


@pytest.mark.parametrize(
    "options",
    [
        {"cmd": "/nowhere/program"},
        {"cmd_args": 'a "b'},
        {"renew_signal": "USR1"},
        {"renew_signal": "SIGNONE"},
    ],
    ids=str,
)
async def test_what_cant_be_run_or_signalled_is_told_and_files_are_kept(
    options: dict[str, str], reference: str, folder: Path, agent: Workload
) -> None:
    assert deliberate("signal-known")
    assert deliberate("cmd-args")
    pair = both(reference, folder)
    for helper in pair:
        with_program(helper, agent, **options)
    with daemons(pair) as processes:
        await asyncio.to_thread(until_files, pair, processes, 3)
        before = comparable(pair[0].files())
        await renew(agent)

        def renewed() -> bool:
            ours, theirs = (comparable(helper.files()) for helper in pair)
            return ours == theirs and ours["svid.pem"] != before["svid.pem"]

        await asyncio.to_thread(pair[0].until, renewed, processes[0])
        for helper, process in zip(pair, processes, strict=True):
            await asyncio.to_thread(helper.until, lambda h=helper: _tells_an_error(h), process)


def _tells_an_error(helper: Helper) -> bool:
    log = helper.log.read_text().lower()
    return "error" in log


async def test_both_signal_the_process_of_a_pid_file(
    reference: str, folder: Path, agent: Workload
) -> None:
    pair = both(reference, folder)
    with ExitStack() as stack:
        for helper in pair:
            script = helper.folder / "recorder.py"
            script.write_text(RECORDER)
            signalled = stack.enter_context(
                subprocess.Popen(  # noqa: ASYNC220 - returns at once
                    [sys.executable, str(script)],
                    env={**os.environ, "RECORD": str(helper.folder / "record")},
                )
            )
            stack.callback(signalled.kill)
            await asyncio.to_thread(_until, lambda h=helper: recorded(h) == [[]])
            (helper.folder / "pid").write_text(f"  {signalled.pid}\n")
            with_program(
                helper,
                agent,
                cmd="",
                cmd_args="",
                pid_file_name=str(helper.folder / "pid"),
                renew_signal="SIGUSR2",
            )
        with daemons(pair) as processes:
            for count in (1, 2):
                for helper, process in zip(pair, processes, strict=True):
                    await asyncio.to_thread(
                        helper.until,
                        lambda h=helper, c=count: recorded(h) == [[], *["SIGUSR2"] * c],
                        process,
                    )
                await renew(agent)


def _until(condition: Any) -> None:
    import time

    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_both_end_in_peace_and_ours_takes_its_program_along(
    number: signal.Signals, reference: str, folder: Path, agent: Workload
) -> None:
    assert deliberate("program-ends")
    pair = both(reference, folder)
    for helper in pair:
        with_program(helper, agent)
    with daemons(pair) as processes:
        for helper, process in zip(pair, processes, strict=True):
            await asyncio.to_thread(
                helper.until, lambda h=helper: recorded(h) == [ARGUMENTS], process
            )
        programs = [children(process) for process in processes]
        assert all(programs)
        try:
            statuses = [await asyncio.to_thread(end, process, number) for process in processes]
            assert statuses == [0, 0]
            alive = [any(_is_alive(pid) for pid in pids) for pids in programs]
            assert alive == [False, True]
        finally:
            for pid in programs[1]:
                os.kill(pid, signal.SIGKILL)


def _is_alive(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state != "Z"


# Health


def with_health(helper: Helper, agent: Path, port: int, **options: Any) -> None:
    helper.configure(
        written(
            {
                "agent_address": str(agent),
                "cert_dir": str(helper.folder / "certs"),
                **X509,
                **TOKEN,
                **BUNDLE,
                "health_checks": {
                    "listener_enabled": True,
                    "bind_port": port,
                    "liveness_path": "/l&ive",
                },
                **options,
            }
        )
    )


TARGETS = ("/l&ive", "/l%26ive", "/ready", "/ready/", "//ready", "/ready?x", "/", "/live", "/../x")


def health_of(helper: Helper, place: Place, request: Request) -> Answer:
    answer = place.ask(request)
    body = answer.body.replace(str(helper.folder).encode(), b"FOLDER")
    headers = {k: v for k, v in answer.headers.items() if k not in {"content-length", "connection"}}
    return Answer(answer.status, headers, body)


@pytest.mark.parametrize("state", ["absent agent", "written", "no folder"])
async def test_both_tell_the_same_health(
    state: str, reference: str, folder: Path, agent: Workload
) -> None:
    pair = both(reference, folder)
    ports = free_port(), free_port()
    for helper, port in zip(pair, ports, strict=True):
        socket = agent.socket_path if state != "absent agent" else Path("/nowhere/agent.sock")
        with_health(helper, socket, port)
        if state == "no folder":
            (helper.folder / "certs").rmdir()
    places = [Place(port) for port in ports]
    ready = 200 if state == "written" else 503

    def settled(place: Place) -> bool:
        if not place.answers():
            return False
        health = json.loads(place.ask(Request("/ready")).body)["health"]["file_write_statuses"]
        words = {health["x509_write_status"], *health["jwt_write_status"].values()}
        return (
            words
            == {
                "absent agent": {"unwritten"},
                "written": {"written"},
                "no folder": {"failed"},
            }[state]
        )

    with daemons(pair) as processes:
        for helper, place, process in zip(pair, places, processes, strict=True):
            await asyncio.to_thread(helper.until, lambda p=place: settled(p), process)

        def compare() -> list[Any]:
            different = []
            for target in TARGETS:
                for method in ("GET", "HEAD", "POST", "DELETE"):
                    request = Request(target, method)
                    answers = [health_of(h, p, request) for h, p in zip(pair, places, strict=True)]
                    if answers[0] != answers[1]:
                        different.append((request, *answers))
            return different

        assert await asyncio.to_thread(compare) == []
        assert places[0].ask(Request("/ready")).status == ready


# What goes wrong


async def test_one_shot_without_an_agent_ends_with_1(reference: str, folder: Path) -> None:
    assert deliberate("one-shot-wait")
    pair = both(reference, folder)
    for helper in pair:
        helper.configure(written({"agent_address": "/nowhere/agent.sock", **X509}))
    assert pair[0].once("--timeout", "300ms").status == 1
    assert pair[1].once().status == 1


@pytest.mark.parametrize(
    "options", [{"hint": "none"}, {"cert_dir": "/nowhere/certs"}], ids=["hint", "folder"]
)
async def test_one_shot_that_cant_write_ends_with_1(
    options: dict[str, str], reference: str, folder: Path, agent: Workload
) -> None:
    pair = both(reference, folder)
    for helper in pair:
        helper.configure(written({"agent_address": str(agent.socket_path), **X509, **options}))
    assert (await asyncio.to_thread(pair[0].once, "--timeout", "300ms")).status == 1
    assert (await asyncio.to_thread(pair[1].once)).status == 1


async def test_one_shot_tokens_are_for_all_audiences(
    reference: str, folder: Path, agent: Workload
) -> None:
    assert deliberate("extra-audiences")
    pair = both(reference, folder)
    token = {
        "jwt_audience": "one",
        "jwt_extra_audiences": ["two", "three"],
        "jwt_svid_file_name": "token",
    }
    for helper in pair:
        helper.configure(
            written(
                {
                    "agent_address": str(agent.socket_path),
                    "cert_dir": str(helper.folder / "certs"),
                    "jwt_svids": [token],
                }
            )
        )
    audiences = []
    for helper in pair:
        assert (await asyncio.to_thread(helper.once)).status == 0
        payload = helper.files()["token"].data.split(b".")[1]
        audiences.append(json.loads(base64.urlsafe_b64decode(payload + b"=="))["aud"])
    assert audiences == [["one", "two", "three"], ["one"]]


async def test_a_link_stays_and_its_target_is_replaced(
    reference: str, folder: Path, agent: Workload
) -> None:
    assert deliberate("atomic")
    pair = both(reference, folder)
    inodes = []
    for helper in pair:
        target = helper.folder / "target"
        target.write_bytes(b"old")
        (helper.folder / "certs" / "svid.pem").symlink_to(target)
        helper.configure(
            written(
                {
                    "agent_address": str(agent.socket_path),
                    "cert_dir": str(helper.folder / "certs"),
                    **X509,
                }
            )
        )
        before = target.stat().st_ino
        assert (await asyncio.to_thread(helper.once)).status == 0
        assert stat.S_ISLNK((helper.folder / "certs" / "svid.pem").lstat().st_mode)
        inodes.append(target.stat().st_ino == before)
    assert inodes == [False, True]
    assert comparable(pair[0].files()) == comparable(pair[1].files())


OK: dict[str, Any] = {"agent_address": "/nowhere/agent.sock", "daemon_mode": False, **X509}
BAD: dict[str, tuple[str | bytes, str, str]] = {}


def bad(text: str | bytes, problem: str, ours: str | None = None, name: str = "") -> None:
    """A file that both refuse, and words that both have for it, or each its own."""
    BAD[name or f"{len(BAD)} {problem}"] = text, problem, ours or problem


def and_more(line: str, *without: str, **changes: Any) -> str:
    options = {k: v for k, v in {**OK, **changes}.items() if k not in without}
    return written(options) + line


NOTHING = "at least one of the sets ('svid_file_name', 'svid_key_file_name',"
bad("", NOTHING)
bad("# nothing\n", NOTHING)
bad("jwt_svids = []\n", NOTHING)
bad(and_more("Foo = 1\nbar = 2\n"), "unknown top level key(s): Foo,bar")
bad(and_more("a.b-c = 1\n"), "unknown top level key(s): a.b-c")
bad(and_more("block {\n}\n"), "unknown top level key(s): block")
for _token, _problem in (
    ('jwt_audience="a", jwt_svid_file_name="f", Z=1, b=2', "unknown key(s) in jwt_svids[0]: Z,b"),
    ('jwt_audience="a"', "'jwt_file_name' is required in 'jwt_svids'"),
    ("", "'jwt_file_name' is required in 'jwt_svids'"),
    ('jwt_svid_file_name="f"', "'jwt_audience' is required in 'jwt_svids'"),
):
    bad(and_more(f"jwt_svids = [{{ {_token} }}]\n"), _problem)
bad(
    and_more('jwt_svids = [{jwt_audience="a",jwt_svid_file_name="f"}]\njwt_svids = [{}]\n'),
    "'jwt_file_name' is required",
)
_MEMBERS = 'jwt_audience = "a"\njwt_svid_file_name = "f"\n'
for _form in (
    f"jwt_svids {{\n{_MEMBERS}}}\n",
    f"jwt_svids {{\n{_MEMBERS}}}\n" * 2,
    f"jwt_svids = {{\n{_MEMBERS}}}\n",
):
    bad(and_more(_form), "'jwt_file_name' is required", "jwt_svids must be a list of objects")
bad(
    json.dumps({**OK, **TOKEN}),
    "'jwt_file_name' is required",
    "jwt_svids must be a list of objects",
)
for _value in ('["a"]', '"a"', "1", '[[{a="b"}]]'):
    bad(
        and_more(f"jwt_svids = {_value}\n"),
        "failed to parse",
        "jwt_svids must be a list of objects",
    )
for _value in ('"x"', '[{a="b"}]', "true"):
    bad(
        and_more(
            'jwt_svids = [{jwt_audience="a", jwt_svid_file_name="f",'
            f" jwt_extra_audiences={_value}}}]\n"
        ),
        "failed to parse",
        "jwt_svids[0].jwt_extra_audiences must be a list of strings",
    )
for _missing in X509:
    bad(and_more("", _missing), "all or none of 'svid_file_name', 'svid_key_file_name', 'svid_b")
bad(and_more("", *X509), NOTHING)
_PID = {"pid_file_name": "p"}
bad(and_more("", **_PID), "pid_file_name is set but daemon_mode is false.")
bad(and_more("", **_PID, renew_signal="SIGHUP"), "pid_file_name is only supported in daemon_mode")
bad(and_more("", "daemon_mode", **_PID), "must specify renew_signal when using pid_file_name")
for _option, _words in (
    ("cert_file_mode", "cert file mode must be positive"),
    ("key_file_mode", "key file mode must be positive"),
    ("jwt_bundle_file_mode", "jwt bundle file mode must be positive"),
    ("jwt_svid_file_mode", "jwt svid file mode must be positive"),
):
    bad(and_more(f"{_option} = -1\n"), _words)
for _value in ("08", '"x"', "1.5", "true", '""', "[1]", "1e2", '" 1"', "9" * 20, "<<E\n1\nE"):
    bad(
        and_more(f"key_file_mode = {_value}\n"),
        "failed to parse",
        "key_file_mode must be a whole number",
    )
bad(and_more("key_file_mode {\n}\n"), "failed to parse", "key_file_mode must be a whole number")
for _option in ("omit_expired", "daemon_mode", "include_federated_domains"):
    for _value in ('"true"', "1", "[true]"):
        bad(
            and_more(f"{_option} = {_value}\n"),
            "failed to parse",
            f"{_option} must be true or false",
        )
for _option in ("cert_dir", "hint", "cmd"):
    for _value in ("true", '["a"]', "1.50", "{}"):
        bad(and_more(f"{_option} = {_value}\n"), "failed to parse", f"{_option} must be a string")
_HEALTH = "health_checks {\nlistener_enabled = true\n%s\n}\n"
bad(and_more(_HEALTH % "bind_port = -1"), "bind port must be positive")
bad(and_more(_HEALTH % "" + _HEALTH % "bind_port = -1"), "bind port must be positive")
bad(and_more(_HEALTH % 'bind_port = "x"'), "failed to parse", "health_checks.bind_port must be")
bad(and_more(_HEALTH % "liveness_path = true"), "failed to parse", "liveness_path must be a string")
bad(and_more("health_checks = [{}]\n"), "failed to parse", "health_checks must be a section")
bad(and_more('health_checks = "x"\n'), "failed to parse", "health_checks must be a section")
bad(
    and_more(_HEALTH % 'liveness_path = "live"', "daemon_mode"),
    "host/path missing /",
    "has to start with '/'",
)
bad(
    and_more(_HEALTH % 'liveness_path = "/ready"', "daemon_mode"),
    "conflicts with pattern",
    "liveness_path and readiness_path must differ",
)
for _text in (
    "svid = [",
    "\ufeff" + and_more(""),
    and_more('cmd = "a\0b"\n'),
    and_more('cmd = "a\\qb"\n'),
    and_more("cmd = 'a'\n"),
    and_more('cmd = "a\n'),
    and_more('cmd = "a";\n'),
    and_more('cmd: "a"\n'),
    and_more("cmd = yes\n"),
    and_more('cmd "x"\n'),
    and_more("key_file_mode = 0o600\n"),
    and_more("health_checks {\n"),
    and_more("/* x"),
    and_more("/ x\n"),
    and_more("1a = 1\n"),
    "[1]",
    "{" + and_more("") + "}",
    and_more('cmd = "').encode() + b'\xff"\n',
):
    bad(_text, "failed to parse", "unable to decode configuration")


@pytest.fixture(scope="module")
def refusals(
    reference: str, tmp_path_factory: pytest.TempPathFactory
) -> Mapping[str, tuple[Ended, Ended]]:
    """How ours and theirs ended on each bad file."""

    folder = tmp_path_factory.mktemp("bad")

    def judge(number: int, text: str | bytes) -> tuple[Ended, Ended]:
        pair = both(reference, folder / str(number))
        for helper in pair:
            helper.configure(text)
        return pair[0].run(), pair[1].run()

    with ThreadPoolExecutor(4) as pool:
        texts = [text for text, _, _ in BAD.values()]
        return dict(zip(BAD, pool.map(judge, range(len(BAD)), texts), strict=True))


@pytest.mark.parametrize("name", BAD)
def test_both_refuse_a_bad_file(name: str, refusals: Mapping[str, tuple[Ended, Ended]]) -> None:
    mine, other = refusals[name]
    _, theirs, ours = BAD[name]
    assert (mine.status, other.status) == (1, 1), (mine.err, other.err)
    assert theirs in other.err.replace('\\"', '"')
    assert ours in mine.err


@pytest.mark.parametrize(
    ("flags", "statuses"),
    [
        (["-nonsense"], (2, 2)),
        (["-daemon-mode=x"], (2, 2)),
        (["-daemon-mode=F"], (1, 1)),
        (["--daemon-mode=false"], (1, 1)),
        (["-version"], (0, 0)),
        (["-help"], (0, 0)),
    ],
)
def test_both_read_their_flags_alike(
    flags: list[str], statuses: tuple[int, int], reference: str, folder: Path
) -> None:
    pair = both(reference, folder)
    for helper in pair:
        helper.configure("")  # refused, once it is read
    assert tuple(helper.run(*flags).status for helper in pair) == statuses


# cmd_args


def test_arguments_are_split_as_in_go(folder: Path) -> None:
    from random import Random

    random = Random(6)
    texts = ["".join(random.choices('ab"" \n\r\'\\é', k=random.randint(1, 9))) for _ in range(3000)]
    ended = subprocess.run(
        [go_program("csvrecord", folder)],
        input="".join(json.dumps(text) + "\n" for text in texts),
        capture_output=True,
        text=True,
        check=True,
    )
    for text, line in zip(texts, ended.stdout.splitlines(), strict=True):
        try:
            ours: list[str] | None = list(split_arguments(text))
        except InvalidArguments:
            ours = None
        assert ours == json.loads(line), repr(text)


def test_every_difference_has_its_reason() -> None:
    text = (ROOT / "docs" / "helper.md").read_text()
    for name, entry in ENTRIES.items():
        assert set(entry) == {"id", "where", "ours", "theirs", "reason", "switch_back"}
        assert entry["reason"].endswith(".")
        assert f"| `{name}` |" in text
