"""The drop-in beside the program that it takes the place of: what differs is deliberate.

Both run on the same generated configurations and get the same generated requests. What
`docs/odp-differences.json` does not explain fails.
"""

from __future__ import annotations

import asyncio
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest
from child_process import free_port
from discovery_providers.certificates import write_pair
from discovery_providers.configurations import Configuration, configurations, requests, written
from discovery_providers.differences import Circumstances, Differences
from discovery_providers.exchange import Answer, Place, Request
from discovery_providers.programs import (
    ROOT,
    Ended,
    end,
    eventually,
    ours,
    reference_or_skip,
    run,
    start,
    theirs,
)
from forgery.tokens import ec_key, jwk, jwk_set, rsa_key

from spire_bridge.sandbox.workload import Workload

# A hundred starts of two programs, on a machine that may be busy.
pytestmark = pytest.mark.timeout(180)

CONFIGURATIONS = configurations(16)
ODD_REQUESTS = 20
EVERY_NTH_WITH_TLS = 5  # a handshake for each costs most of the time

Pair = tuple[Place, Place]


@pytest.fixture(scope="module")
def reference() -> str:
    return reference_or_skip()


@pytest.fixture(scope="module")
def differences() -> Differences:
    return Differences()


@pytest.fixture
def folder() -> Iterator[Path]:
    """A short one: sockets are made in it."""
    with tempfile.TemporaryDirectory(prefix="sb-") as name:
        yield Path(name)


@contextmanager
def both(
    configuration: Configuration,
    reference: str,
    folder: Path,
    flags: Sequence[str] = (),
    **options: Any,
) -> Iterator[Pair]:
    """The two programs, ours first (with the `flags`), each with a listener of its own."""
    with ExitStack() as stack:
        started = []
        for name in ("ours", "theirs"):
            place, listener = listening(configuration.listener, folder, name)
            file = configuration.write(folder / f"{name}.conf", **listener, **options)
            log = folder / f"{name}.log"
            process = start(
                (*ours(file), *flags) if name == "ours" else theirs(reference, file), log
            )
            stack.callback(end, process)
            started.append((place, process, log))
        for place, process, log in started:
            eventually(place.answers, process, log)
        yield started[0][0], started[1][0]


def listening(kind: str, folder: Path, name: str) -> tuple[Place, dict[str, Any]]:
    if kind == "listen_socket_path":
        path = folder / f"{name}.sock"
        return Place(path=path), {kind: str(path)}
    port = free_port()
    address = f"127.0.0.1:{port}"
    if kind == "insecure_addr":
        return Place(port), {kind: address}
    certificate, key = write_pair(folder, name)
    files = {"cert_file_path": str(certificate), "key_file_path": str(key), "addr": address}
    return Place(port, tls=True), {kind: files}


def ask_both(pair: Pair, request: Request) -> tuple[Answer, Answer]:
    return pair[0].ask(request), pair[1].ask(request)


def loaded(pair: Pair, configuration: Configuration) -> bool:
    answers = ask_both(pair, Request(configuration.prefix + "keys"))
    return all(answer.status != 500 for answer in answers)


def wait_for(condition: Any, seconds: float = 10.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not come to pass"
        time.sleep(0.05)


@pytest.mark.parametrize("number", range(len(CONFIGURATIONS)))
def test_both_answer_alike(
    number: int, reference: str, differences: Differences, folder: Path
) -> None:
    configuration = CONFIGURATIONS[number]
    bundle = folder / "bundle.json"
    if configuration.bundle is not None:
        bundle.write_bytes(configuration.bundle)
    with both(configuration, reference, folder, file={"path": str(bundle)}) as pair:
        if configuration.bundle is not None:
            wait_for(lambda: loaded(pair, configuration))
        unexplained = []
        step = EVERY_NTH_WITH_TLS if pair[0].tls else 1
        for request in list(requests(configuration, ODD_REQUESTS, number))[::step]:
            about = Circumstances(request, prefix=configuration.prefix)
            answers = ask_both(pair, request)
            unexplained += [
                f"{request}: {seen}" for seen in differences.unexplained(about, *answers)
            ]
    assert unexplained == [], str(configuration)


# What each switch undoes, of the differences that these requests would show.
UNDONE = {
    "actual-algorithms": {"actual-algorithms"},
    "cache-lifetime": {"cache-lifetime", "no-pragma", "no-expires"},
    "etag": {"etag", "etag-condition", "not-modified-type"},
    "head": {"head"},
}


def test_a_switch_undoes_its_difference(reference: str, folder: Path) -> None:
    differences = Differences(without=frozenset[str]().union(*UNDONE.values()))
    bundle = folder / "bundle.json"
    bundle.write_bytes(FILES["one"])
    flags = [word for switch in UNDONE for word in ("--as-reference", switch)]
    with both(PLAIN, reference, folder, flags, file={"path": str(bundle)}) as pair:
        wait_for(lambda: loaded(pair, PLAIN))
        unexplained = [
            f"{request}: {seen}"
            for request in requests(PLAIN, ODD_REQUESTS, 1)
            for seen in differences.unexplained(
                Circumstances(request, prefix="/"), *ask_both(pair, request)
            )
        ]
    assert unexplained == []


PLAIN = Configuration({"domains": ["domain.test"]}, "insecure_addr", "hcl", None)
P256 = jwk(ec_key(), kid="p256", use="jwt-svid")
SECRET = {**P256, "kid": "secret", "d": "AAAA"}
FILES = {
    "one": jwk_set(P256),
    "no_kid": jwk_set(jwk(ec_key(4), use="jwt-svid")),
    "garbage": b"{",
    "p521": jwk_set(P256, jwk(ec_key(1, "P-521"), kid="p521", use="jwt-svid")),
    "rsa1024": jwk_set(P256, jwk(rsa_key("weak", 1024), kid="rsa1024", use="jwt-svid")),
    "ed25519": jwk_set(
        P256, {"kty": "OKP", "crv": "Ed25519", "x": "A" * 43, "kid": "ed25519", "use": "jwt-svid"}
    ),
    "unknown": jwk_set(jwk(ec_key(3), kid="new", use="jwt-svid"), {"kty": "NEW", "kid": "n"}),
    "private": jwk_set(P256, {**SECRET, "d": jwk(ec_key())["x"]}),
    "symmetric": jwk_set(P256, {"kty": "oct", "k": "AAAA", "kid": "oct", "use": "jwt-svid"}),
    "twice": jwk_set(P256, {**jwk(ec_key(2)), "kid": "p256", "use": "jwt-svid"}),
    "other_uses": jwk_set(P256, jwk(ec_key(5), kid="sig", use="sig"), jwk(ec_key(6), kid="x")),
    "empty": jwk_set(),
    "again": jwk_set(P256, spiffe_sequence=7),
}


def test_both_take_the_same_bundle_files(
    reference: str, differences: Differences, folder: Path
) -> None:
    """One file after the other, each in place of the one before."""
    bundle = folder / "bundle.json"
    bundle.write_bytes(FILES["one"])
    source = {"path": str(bundle), "poll_interval": "50ms"}
    with both(PLAIN, reference, folder, file=source) as pair:
        wait_for(lambda: loaded(pair, PLAIN))
        unexplained = []
        for name, data in FILES.items():
            new = folder / "new.json"
            new.write_bytes(data)
            new.replace(bundle)
            request = Request()
            about = Circumstances(request, bundle=name)
            wait_for(lambda about=about: settled(pair, differences, about))
            unexplained += differences.unexplained(about, *ask_both(pair, request))
            assert b'"d"' not in pair[0].ask(request).body
    assert unexplained == []


def settled(pair: Pair, differences: Differences, about: Circumstances) -> bool:
    """Ours looks at the file twice a second."""
    time.sleep(0.7)
    return not differences.unexplained(about, *ask_both(pair, about.request))


@pytest.mark.parametrize("set_key_use", [False, True])
async def test_both_serve_what_an_agent_tells(
    set_key_use: bool,
    reference: str,
    differences: Differences,
    folder: Path,
    workload: Workload,
) -> None:
    source = {
        "socket_path": workload.address.removeprefix("unix://"),
        "trust_domain": "example.org",
        "poll_interval": "100ms",
    }
    configuration = Configuration(
        {"domains": ["domain.test"], "set_key_use": set_key_use}, "listen_socket_path", "hcl", None
    )

    def compare() -> list[str]:
        with both(configuration, reference, folder, workload_api=source) as pair:
            wait_for(lambda: loaded(pair, configuration))
            return [
                f"{request}: {seen}"
                for request in requests(configuration, 5, 1)
                for seen in differences.unexplained(
                    Circumstances(request, prefix="/"), *ask_both(pair, request)
                )
            ]

    assert await asyncio.to_thread(compare) == []


def test_both_tell_the_same_health(reference: str, differences: Differences, folder: Path) -> None:
    bundle = folder / "bundle.json"
    ports = free_port(), free_port()
    with ExitStack() as stack:
        for name, port in zip(("ours", "theirs"), ports, strict=True):
            place, listener = listening("insecure_addr", folder, name)
            health = {"bind_port": str(port), "ready_path": "/r"}
            file = PLAIN.write(
                folder / f"{name}.conf",
                **listener,
                file={"path": str(bundle), "poll_interval": "100ms"},
                health_checks=health,
            )
            command = ours(file) if name == "ours" else theirs(reference, file)
            process = start(command, folder / f"{name}.log")
            stack.callback(end, process)
            eventually(place.answers, process, folder / f"{name}.log")
        pair = Place(ports[0]), Place(ports[1])
        wait_for(lambda: pair[0].answers() and pair[1].answers())
        assert compare_health(pair, differences) == ([], 500)
        bundle.write_bytes(FILES["empty"])
        wait_for(lambda: all(a.status == 200 for a in ask_both(pair, Request("/r"))))
        assert compare_health(pair, differences) == ([], 200)


def compare_health(pair: Pair, differences: Differences) -> tuple[list[str], int]:
    """What is unexplained, and the status of the ready path."""
    unexplained = []
    for target in ("/r", "/live", "/ready", "/", "//live", "/live/", "/live?x=1", "/%6cive"):
        for method in ("GET", "HEAD", "POST"):
            request = Request(target, method)
            about = Circumstances(request, health="yes")
            answers = ask_both(pair, request)
            unexplained += [
                f"{request}: {seen}" for seen in differences.unexplained(about, *answers)
            ]
    return unexplained, pair[0].ask(Request("/r")).status


OK = {
    "domains": ["domain.test"],
    "insecure_addr": "127.0.0.1:0",
    "file": {"path": "/nowhere/bundle.json"},
}
BAD: dict[str, tuple[str, str]] = {}


def bad(name: str, problem: str, *without: str, **changes: Any) -> None:
    """A configuration that both refuse, and words of the problem that both name."""
    options = {key: value for key, value in {**OK, **changes}.items() if key not in without}
    BAD[name] = written(options), problem


CERTIFICATE = {"cert_file_path": "/nowhere/cert.pem", "key_file_path": "/nowhere/key.pem"}
ACME = {"tos_accepted": True, "email": "a@domain.test"}
WORKLOAD_API = {"socket_path": "/nowhere/agent.sock", "trust_domain": "example.org"}
bad("no domains", "at least one domain must be configured", "domains")
bad("empty domains", "at least one domain must be configured", domains=[])
bad("domain in capitals", "must already be punycode encoded", domains=["Domain.test"])
bad("domain with a snowman", "must already be punycode encoded", domains=["☃.test"])
bad("no domain name", 'domain "a_b" is not a valid domain name', domains=["a_b"])
bad("no source", "exactly one of the server_api, workload_api, or file sections", "file")
bad("two sources", "sections are mutually exclusive", workload_api=WORKLOAD_API)
bad("no listener", "insecure_addr or listen_socket_path must be configured", "insecure_addr")
for _one, _other, _message in (
    ("acme", "insecure_addr", "insecure_addr and the acme section are mutually exclusive"),
    ("acme", "serving_cert_file", "acme and serving_cert_file are mutually exclusive"),
    ("acme", "listen_socket_path", "listen_socket_path and the acme section are mutually"),
    ("serving_cert_file", "insecure_addr", "serving_cert_file and insecure_addr are mutually"),
    ("serving_cert_file", "listen_socket_path", "serving_cert_file and listen_socket_path are"),
    ("insecure_addr", "listen_socket_path", "insecure_addr and listen_socket_path are mutually"),
):
    _values: dict[str, Any] = {
        "acme": ACME,
        "serving_cert_file": CERTIFICATE,
        "insecure_addr": "127.0.0.1:0",
        "listen_socket_path": "/nowhere/s",
    }
    _both = {_one: _values[_one], _other: _values[_other]}
    bad(f"{_one} and {_other}", _message, *({"insecure_addr"} - set(_both)), **_both)
bad("acme, terms", "tos_accepted must be set to true", "insecure_addr", acme={"email": "a"})
bad("acme, email", "email must be configured", "insecure_addr", acme={"tos_accepted": True})
bad(
    "no certificate",
    "cert_file_path must be configured in the serving_cert_file",
    "insecure_addr",
    serving_cert_file={},
)
bad(
    "no key",
    "key_file_path must be configured in the serving_cert_file",
    "insecure_addr",
    serving_cert_file={"cert_file_path": "/c"},
)
bad(
    "absent certificate",
    "/nowhere/cert.pem",
    "insecure_addr",
    serving_cert_file={**CERTIFICATE, "addr": "127.0.0.1:0"},
)
bad("server_api, no address", "address must be configured in the server_api", "file", server_api={})
bad(
    "server_api by TCP",
    "address must use the unix name system",
    "file",
    server_api={"address": "dns:///spire:8081"},
)
bad(
    "workload_api, no trust domain",
    "trust_domain must be configured in the workload_api",
    "file",
    workload_api={"socket_path": "/s"},
)
bad(
    "workload_api, no socket",
    "socket_path must be configured in the workload_api",
    "file",
    workload_api={"trust_domain": "example.org"},
)
for _interval in ("10", "x", "1 s", "--1s", "1s2"):
    bad(
        f"interval {_interval}",
        "invalid poll_interval in the file configuration section",
        file={"path": "/b", "poll_interval": _interval},
    )
bad("interval as a number", "invalid poll_interval", file={"path": "/b", "poll_interval": 10})
bad("sync interval", "invalid file_sync_interval in the serving_cert_file", "insecure_addr",
    serving_cert_file={**CERTIFICATE, "file_sync_interval": "soon"})  # fmt: skip
bad("issuer without scheme", "the jwt_issuer url must contain a scheme", jwt_issuer="domain.test")
bad("issuer without host", "the jwt_issuer url must contain a host", jwt_issuer="https:///a")
for _url in (":a", "https://a:b", "https://[::1", "https://a/%zz", "https://a b/"):
    bad(f"issuer {_url}", "the jwt_issuer url could not be parsed", jwt_issuer=_url)
for _url in ("keys", "/keys", "https:///keys", "https://a:b/keys"):
    bad(f"jwks_uri {_url}", "the jwks_uri setting could not be parsed", jwks_uri=_url)
bad("a flag as a string", "unable to decode configuration", set_key_use="true")
bad("a flag as a number", "unable to decode configuration", set_key_use=1)
bad("a string for a list", "unable to decode configuration", domains="domain.test")
bad("log level", "not a valid log", log_level="loud")
bad("log format", "unknown", log_format="xml")
bad("address", "address", insecure_addr="nonsense")
BAD["no HCL"] = "domains = [", "unable to decode configuration"
BAD["byte order mark"] = "\ufeff" + written(OK), "unable to decode configuration"
BAD["empty"] = "", "at least one domain must be configured"


@pytest.fixture(scope="module")
def refusals(
    reference: str, tmp_path_factory: pytest.TempPathFactory
) -> Mapping[str, tuple[Ended, Ended]]:
    """How ours and theirs ended on each bad file."""
    folder = tmp_path_factory.mktemp("bad")
    commands = []
    for number, (text, _) in enumerate(BAD.values()):
        file = folder / f"{number}.conf"
        file.write_text(text)
        commands += [ours(file), theirs(reference, file)]
    with ThreadPoolExecutor(8) as pool:
        ended = list(pool.map(run, commands))
    return dict(zip(BAD, zip(ended[::2], ended[1::2], strict=True), strict=True))


@pytest.mark.parametrize("name", BAD)
def test_both_refuse_a_bad_file(name: str, refusals: Mapping[str, tuple[Ended, Ended]]) -> None:
    mine, other = refusals[name]
    problem = BAD[name][1]
    assert (mine.status, other.status) == (1, 1), (mine.err, other.err)
    assert problem in other.err
    assert problem in mine.err


def test_neither_takes_flags_that_it_does_not_know(reference: str, folder: Path) -> None:
    file = folder / "odp.conf"
    file.write_text(written(OK))
    assert run((*ours(file), "-nonsense")).status == 2
    assert run((*theirs(reference, file), "-nonsense")).status == 2
    absent = folder / "absent.conf"
    assert run(ours(absent)).status == 1
    assert run(theirs(reference, absent)).status == 1


def test_every_difference_has_its_reason() -> None:
    entries = Differences().entries
    assert len({entry["id"] for entry in entries}) == len(entries)
    for entry in entries:
        assert set(entry) == {"id", "where", "ours", "theirs", "reason", "switch_back"}
        assert entry["reason"].endswith(".")
        assert f"| `{entry['id']}` |" in (ROOT / "docs" / "issuer.md").read_text()
