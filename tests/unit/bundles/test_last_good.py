"""The copy on disk: what is written is what is read, and nothing else is believed."""

from __future__ import annotations

import json
import os
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from spire_bridge.bundles.last_good import LastGoodCopy
from spire_bridge.errors import BridgeError
from spire_bridge.files.errors import FileFailure
from spire_bridge.jose.key_set import MAX_KEY_SET_BYTES
from spire_bridge.spiffe.bundle import Bundle
from spire_bridge.spiffe.errors import InvalidBundle
from spire_bridge.spiffe.id import TrustDomain

HOME = TrustDomain("example.org")
MakeBundle = Callable[..., Bundle]


@pytest.fixture
def copy(tmp_path: Path) -> LastGoodCopy:
    return LastGoodCopy(tmp_path / "bundle.json", HOME)


def test_what_is_saved_is_loaded(copy: LastGoodCopy, bundle: MakeBundle) -> None:
    for made in (bundle("1", "2"), bundle()):
        copy.save(made, 1_800_000_000.9)
        assert copy.load() == (made, 1_800_000_000.0)


def test_only_the_owner_may_read_it(copy: LastGoodCopy, bundle: MakeBundle) -> None:
    copy.path.write_bytes(b"")
    copy.path.chmod(0o666)
    copy.save(bundle("1"), 0)
    assert stat.S_IMODE(copy.path.stat().st_mode) == 0o600


def test_no_file_is_no_copy(copy: LastGoodCopy) -> None:
    assert copy.load() is None


def test_a_link_to_nothing_is_no_copy(copy: LastGoodCopy) -> None:
    copy.path.symlink_to("nowhere")
    assert copy.load() is None


def test_another_trust_domain_is_refused(copy: LastGoodCopy, bundle: MakeBundle) -> None:
    copy.save(bundle("1"), 0)
    with pytest.raises(InvalidBundle, match=r"not of trust domain other\.example"):
        LastGoodCopy(copy.path, TrustDomain("other.example")).load()


def good_copy(**changes: Any) -> dict[str, Any]:
    return {
        "trust_domain": "example.org",
        "confirmed_at": 1_800_000_000,
        "document": '{"keys": []}',
        **changes,
    }


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\xff",
        b"[]",
        b"{}",
        b'{"trust_domain": "example.org", "trust_domain": "example.org"}',
        *(
            json.dumps(good_copy(**changes)).encode()
            for changes in (
                {"trust_domain": None},
                {"confirmed_at": None},
                {"confirmed_at": 1.5},
                {"confirmed_at": True},
                {"confirmed_at": "1800000000"},
                {"document": None},
                {"document": {"keys": []}},
                {"document": ""},
                {"document": '{"keys": [{"kty": "oct", "k": "c2VjcmV0"}]}'},
            )
        ),
        json.dumps(good_copy()).encode()[:-1],
    ],
)
def test_garbage_is_refused(copy: LastGoodCopy, content: bytes) -> None:
    copy.path.write_bytes(content)
    with pytest.raises(InvalidBundle) as caught:
        copy.load()
    assert "c2VjcmV0" not in caught.value.diagnostic()


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.binary() | st.dictionaries(st.text(), st.text()).map(lambda d: json.dumps(d).encode()))
def test_no_content_crashes_it(copy: LastGoodCopy, content: bytes) -> None:
    copy.path.write_bytes(content)
    with pytest.raises(BridgeError):
        copy.load()


def test_a_huge_file_is_not_read(copy: LastGoodCopy) -> None:
    with copy.path.open("wb") as file:
        file.truncate(2 * MAX_KEY_SET_BYTES + 1)
    with pytest.raises(FileFailure, match="larger than"):
        copy.load()


def test_what_is_no_file_is_refused(copy: LastGoodCopy) -> None:
    os.mkfifo(copy.path)
    with pytest.raises(FileFailure, match="not a regular file"):
        copy.load()


@pytest.mark.parametrize("path", ["file/copy.json", "loop", "n\0ull", "x" * 300])
def test_a_path_that_cannot_be_looked_at(tmp_path: Path, path: str) -> None:
    (tmp_path / "file").write_bytes(b"")
    (tmp_path / "loop").symlink_to("loop")
    with pytest.raises(FileFailure):
        LastGoodCopy(tmp_path / path, HOME).load()


def test_a_copy_that_cannot_be_written_leaves_the_old_one(
    copy: LastGoodCopy, bundle: MakeBundle, monkeypatch: pytest.MonkeyPatch
) -> None:
    copy.save(bundle("1"), 1)

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(FileFailure, match="No space left"):
        copy.save(bundle("2"), 2)
    assert copy.load() == (bundle("1"), 1.0)
    assert list(copy.path.parent.iterdir()) == [copy.path]


def test_a_large_bundle_can_be_loaded_again(copy: LastGoodCopy, bundle: MakeBundle) -> None:
    made = bundle(*(f"key-{number}" for number in range(300)))
    copy.save(made, 0)
    assert copy.load() == (made, 0.0)
