"""What the drop-in for spiffe-helper leaves on disk, and says of it."""

from __future__ import annotations

import base64
import json
from pathlib import Path

import pytest
from forgery.tokens import ec_key, jwk, jwk_set, rsa_key

from spire_bridge.errors import BridgeError
from spire_bridge.files.errors import FileFailure
from spire_bridge.helper.output import OutputState
from spire_bridge.listen.http import Request
from spire_bridge.service.drop_in.go_json import go_json
from spire_bridge.service.drop_in.spiffe_helper.config import HealthChecks
from spire_bridge.service.drop_in.spiffe_helper.content import jwt_bundles_file
from spire_bridge.service.drop_in.spiffe_helper.health import FileStates, helper_health
from spire_bridge.service.drop_in.spiffe_helper.place import KeptFiles, process_umask
from spire_bridge.spiffe.id import TrustDomain
from spire_bridge.spiffe.jwt_bundle import JwtBundle
from spire_bridge.transport.rpc_errors import PermissionDenied, Unavailable
from spire_bridge.workload.errors import HintNotFound
from spire_bridge.workload.messages import BundleSet

NOW = 1_000.0
GOOD = OutputState(written_at=900.0, expires_at=1_100.0)


def bundle(name: str, *keys: dict[str, object]) -> tuple[TrustDomain, JwtBundle]:
    trust_domain = TrustDomain(name)
    return trust_domain, JwtBundle.from_jwk_set(trust_domain, jwk_set(*keys))


def test_bundles_are_base64_in_json_by_name() -> None:
    keys = [jwk(rsa_key(), kid="b<&>"), jwk(ec_key(1), kid="a")]
    data = jwt_bundles_file(BundleSet(dict([bundle("z.test", *keys), bundle("a.test")])))
    sets = json.loads(data)
    assert list(sets) == ["a.test", "z.test"]
    assert data == json.dumps(sets, separators=(",", ":")).encode()
    assert base64.b64decode(sets["a.test"]) == b'{"keys":[]}'
    text = base64.b64decode(sets["z.test"])
    assert [list(key) for key in json.loads(text)["keys"]] == [
        ["kty", "kid", "crv", "x", "y"],
        ["kty", "kid", "n", "e"],
    ]
    assert b'"kid":"b\\u003c\\u0026\\u003e"' in text


def test_json_is_escaped_as_in_go() -> None:
    assert go_json({"é": "<\u2028"}) == '{"é":"\\u003c\\u2028"}'.encode()


def test_a_new_file_has_its_mode_less_the_umask(tmp_path: Path) -> None:
    files = KeptFiles(((tmp_path / "a", 0o644), (tmp_path / "b", 0o666)), umask=0o027)
    files.put((b"1", b"2"))
    assert [path.stat().st_mode & 0o777 for path in files.paths] == [0o640, 0o640]


def test_a_file_that_is_there_keeps_its_mode_also_behind_a_link(tmp_path: Path) -> None:
    target, link = tmp_path / "target", tmp_path / "link"
    target.write_bytes(b"old")
    target.chmod(0o604)
    link.symlink_to(target)
    KeptFiles(((link, 0o600),), umask=0o077).put((b"new",))
    assert link.is_symlink()
    assert (target.read_bytes(), target.stat().st_mode & 0o777) == (b"new", 0o604)


def test_a_folder_in_place_of_a_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(FileFailure, match="it is a folder"):
        KeptFiles(((tmp_path, 0o600),), umask=0).put((b"",))


def test_the_umask_is_left_as_it_is() -> None:
    assert process_umask() == process_umask()


def failing(state: OutputState, error: BridgeError) -> OutputState:
    return OutputState(state.written_at, expires_at=state.expires_at, error=error)


@pytest.mark.parametrize(
    ("state", "word", "live", "ready"),
    [
        (OutputState(), "unwritten", 200, 503),
        (failing(OutputState(), Unavailable("away")), "unwritten", 200, 503),
        (GOOD, "written", 200, 200),
        (failing(GOOD, Unavailable("away")), "written", 200, 200),
        (failing(GOOD, PermissionDenied("no entry")), "failed", 200, 503),
        (OutputState(900.0, expires_at=950.0), "failed", 200, 503),
        (failing(GOOD, FileFailure("disk full")), "failed", 503, 503),
        (failing(OutputState(), HintNotFound("no hint")), "failed", 503, 503),
    ],
)
def test_health_tells_what_readers_find(
    state: OutputState, word: str, live: int, ready: int
) -> None:
    states = FileStates(state, {"/b": GOOD, "/a": GOOD})
    handle = helper_health(HealthChecks(1, "/live", "/ready"), lambda: states, lambda: NOW)
    for path, status in (("/live", live), ("/ready", ready)):
        answer = handle(Request("POST", path, {}, path))
        assert answer.status == status
        text = "OK" if status == 200 else "Service Unavailable"
        assert (
            answer.body
            == (
                f'{{"status":"{text}","health":{{"file_write_statuses":{{"x509_write_status":"{word}",'
                '"jwt_write_status":{"/a":"written","/b":"written"}}}}'
            ).encode()
        )


def test_without_x509_there_is_no_word_of_it() -> None:
    states = FileStates(None, {})
    handle = helper_health(HealthChecks(1, "/live", "/ready"), lambda: states, lambda: NOW)
    answer = handle(Request("GET", "/ready", {}, "/ready"))
    assert (
        answer.body == b'{"status":"OK","health":{"file_write_statuses":{"jwt_write_status":{}}}}'
    )


def test_a_path_that_ends_in_a_slash_stands_for_all_below() -> None:
    handle = helper_health(
        HealthChecks(1, "/", "/ready/"), lambda: FileStates(None, {"a": OutputState()})
    )
    statuses = [
        handle(Request("GET", path, {}, path)).status for path in ("/x", "/ready/x", "/ready//x")
    ]
    assert statuses == [200, 503, 307]
    handle = helper_health(HealthChecks(1, "/l", "/r"), lambda: FileStates(None, {}))
    assert handle(Request("GET", "/x", {}, "/x")).body == b"404 page not found\n"
