"""Documents in a directory: whole, in order, and never older than what was there."""

from __future__ import annotations

import fcntl
import json
import os
import random
import resource
import stat
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from spire_bridge.errors import EXIT_FAILURE, EXIT_UNAVAILABLE, EXIT_USAGE
from spire_bridge.files.errors import FileFailure
from spire_bridge.issuer.documents import Documents
from spire_bridge.issuer.key_set import KeySet
from spire_bridge.issuer.url import IssuerUrl
from spire_bridge.jose.public_key import PublicKey
from spire_bridge.publish import directory
from spire_bridge.publish.directory import LOCK_FILE, DirectoryTarget, issuer_folder
from spire_bridge.publish.generation import (
    GENERATION_FILE,
    Generation,
    InvalidGeneration,
    PublicationOutdated,
)
from spire_bridge.publish.target import InvalidPublishPath, TargetBusy
from spire_bridge.spiffe.jwt_bundle import JwtAuthority

ISSUER = IssuerUrl.parse("https://issuer.example.org")
KEY = PublicKey.from_cryptography(ec.generate_private_key(ec.SECP256R1()).public_key())
NOON = 1_800_000_000.0


@cache
def with_keys(*key_ids: str) -> Documents:
    return Documents.of(ISSUER, KeySet(tuple(JwtAuthority(name, KEY) for name in key_ids)))


OLD, NEW = with_keys("old"), with_keys("old", "new")


@pytest.fixture
def target(tmp_path: Path) -> DirectoryTarget:
    return DirectoryTarget(tmp_path / "site" / "tenant", lock_seconds=5)


def jwks(target: DirectoryTarget) -> Path:
    return target.path / "keys"


def discovery(target: DirectoryTarget) -> Path:
    return target.path / ".well-known" / "openid-configuration"


def holds(target: DirectoryTarget, documents: Documents) -> bool:
    found = discovery(target).read_bytes(), jwks(target).read_bytes()
    return found == (documents.discovery.body, documents.jwks.body)


def identities(target: DirectoryTarget) -> list[tuple[int, int]]:
    """What an unwritten file keeps."""
    files = jwks(target), discovery(target), target.path / GENERATION_FILE
    return [(file.stat().st_ino, file.stat().st_mtime_ns) for file in files]


@contextmanager
def file_size_limit(number: int) -> Iterator[None]:
    """No file may grow over so many bytes, which fails like a full disk does."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (number, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_the_first_publication(target: DirectoryTarget) -> None:
    publication = target.publish(OLD, Generation(NOON))
    assert publication.written == (str(jwks(target)), str(discovery(target)))
    assert publication.unchanged == ()
    assert holds(target, OLD)
    note = json.loads((target.path / GENERATION_FILE).read_text())
    assert note == {"confirmed_at": NOON, "jwks_etag": OLD.jwks.etag}
    everything = {str(path.relative_to(target.path)) for path in target.path.rglob("*")}
    documents = {"keys", ".well-known", ".well-known/openid-configuration"}
    assert everything == {*documents, GENERATION_FILE, LOCK_FILE}


def test_a_web_server_may_read_it_whatever_the_umask(target: DirectoryTarget) -> None:
    before = os.umask(0o077)
    try:
        target.publish(OLD, Generation(NOON))
    finally:
        os.umask(before)
    folders = target.path.parent, target.path, target.path / ".well-known"
    assert {stat.S_IMODE(path.stat().st_mode) for path in folders} == {0o755}
    files = jwks(target), discovery(target)
    assert {stat.S_IMODE(path.stat().st_mode) for path in files} == {0o644}


def test_the_keys_come_before_what_leads_to_them(
    target: DirectoryTarget, monkeypatch: pytest.MonkeyPatch
) -> None:
    written: list[str] = []
    write = directory.write_atomically

    def noted(path: Path, data: bytes, *, mode: int) -> None:
        written.append(path.name)
        write(path, data, mode=mode)

    monkeypatch.setattr(directory, "write_atomically", noted)
    target.publish(OLD, Generation(NOON))
    assert written == [GENERATION_FILE, "keys", "openid-configuration"]


def test_a_reader_sees_one_set_or_the_other(target: DirectoryTarget) -> None:
    target.publish(OLD, Generation(NOON))
    with jwks(target).open("rb") as reader:
        publication = target.publish(NEW, Generation(NOON + 1))
        assert reader.read() == OLD.jwks.body
    assert publication.written == (str(jwks(target)),)
    assert publication.unchanged == (str(discovery(target)),)
    assert holds(target, NEW)


def test_what_is_unchanged_is_not_written(target: DirectoryTarget) -> None:
    target.publish(OLD, Generation(NOON))
    before = identities(target)
    publication = target.publish(OLD, Generation(NOON))
    assert (publication.written, len(publication.unchanged)) == ((), 2)
    assert identities(target) == before


def test_a_confirmation_is_noted_and_keeps_an_older_set_out(target: DirectoryTarget) -> None:
    target.publish(OLD, Generation(NOON))
    before = identities(target)
    target.publish(OLD, Generation(NOON + 60))
    assert identities(target)[:2] == before[:2]
    with pytest.raises(PublicationOutdated):
        target.publish(NEW, Generation(NOON + 30))


@pytest.mark.parametrize(
    ("there", "offered"),
    [
        (Generation(NOON), Generation(NOON - 0.01)),
        (Generation(NOON, 7), Generation(NOON + 60, 6)),
        (Generation(NOON, 7), Generation(NOON - 1, 7)),
        (Generation(NOON, 7), Generation(NOON - 1)),
        (Generation(NOON), Generation(NOON - 1, 7)),
    ],
)
def test_an_older_set_is_refused(
    target: DirectoryTarget, there: Generation, offered: Generation
) -> None:
    target.publish(NEW, there)
    before = identities(target)
    with pytest.raises(PublicationOutdated, match="has a newer set of keys") as refused:
        target.publish(OLD, offered)
    assert refused.value.exit_status == EXIT_FAILURE
    assert str(target.path / GENERATION_FILE) in (refused.value.hint or "")
    assert identities(target) == before


@pytest.mark.parametrize(
    ("there", "offered"),
    [
        (Generation(NOON), Generation(NOON)),  # a key of the same bundle has expired
        (Generation(NOON), Generation(NOON + 1)),
        (Generation(NOON, 7), Generation(NOON - 60, 8)),
        (Generation(NOON, 7), Generation(NOON + 1, 7)),
        (Generation(NOON, 7), Generation(NOON + 1)),
    ],
)
def test_a_set_as_new_is_taken(
    target: DirectoryTarget, there: Generation, offered: Generation
) -> None:
    target.publish(OLD, there)
    target.publish(NEW, offered)
    assert holds(target, NEW)
    assert json.loads((target.path / GENERATION_FILE).read_text()) == {
        **offered.to_json(),
        "jwks_etag": NEW.jwks.etag,
    }


def test_the_same_set_by_an_older_word_is_no_error(target: DirectoryTarget) -> None:
    target.publish(NEW, Generation(NOON))
    before = identities(target)
    assert target.publish(NEW, Generation(NOON - 60)).written == ()
    assert identities(target) == before


def test_a_lost_document_is_written_again(target: DirectoryTarget) -> None:
    target.publish(OLD, Generation(NOON))
    discovery(target).unlink()
    assert target.publish(OLD, Generation(NOON)).written == (str(discovery(target)),)
    assert holds(target, OLD)


def test_two_publishers_end_on_the_newest(target: DirectoryTarget) -> None:
    """Each passes on 100 changes, in their order, but not at the other's pace."""
    changes = [(with_keys(f"key-{number}"), Generation(NOON + number)) for number in range(100)]

    def publish(seed: int) -> None:
        for number, (documents, generation) in enumerate(changes):
            if number in passed_on[seed]:
                with suppress(PublicationOutdated):
                    target.publish(documents, generation)

    # changes that come together are one, and not the same ones to each
    passed_on = [set(random.Random(seed).sample(range(100), 70)) for seed in range(2)]
    with ThreadPoolExecutor() as threads:
        for _ in threads.map(publish, range(2)):
            pass
    assert holds(target, changes[max(passed_on[0] | passed_on[1])][0])


def test_interleaved_changes_end_on_the_newest(target: DirectoryTarget) -> None:
    order = list(range(50))
    random.Random(4).shuffle(order)
    newest = -1
    for number in order:
        try:
            target.publish(with_keys(f"key-{number}"), Generation(NOON + number))
        except PublicationOutdated:
            assert number < newest
        else:
            newest = max(newest, number)
            assert newest == number
        assert holds(target, with_keys(f"key-{newest}"))
    assert newest == 49


@pytest.mark.parametrize("name", ["keys", "openid-configuration"])
def test_one_who_dies_half_way_leaves_nothing_that_an_older_set_replaces(
    target: DirectoryTarget, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    target.publish(with_keys(), Generation(NOON))
    write = directory.write_atomically

    def dies(path: Path, data: bytes, *, mode: int) -> None:
        if path.name == name:
            raise KeyboardInterrupt
        write(path, data, mode=mode)

    with monkeypatch.context() as patched:
        patched.setattr(directory, "write_atomically", dies)
        with pytest.raises(KeyboardInterrupt):
            target.publish(NEW, Generation(NOON + 2))
    with pytest.raises(PublicationOutdated):
        target.publish(OLD, Generation(NOON + 1))
    target.publish(NEW, Generation(NOON + 1))
    assert holds(target, NEW)


def test_a_full_disk_leaves_the_old_and_may_be_tried_again(target: DirectoryTarget) -> None:
    target.publish(OLD, Generation(NOON))
    with file_size_limit(200), pytest.raises(FileFailure, match="can't be written"):
        target.publish(NEW, Generation(NOON + 1))
    assert holds(target, OLD)
    assert not list(target.path.glob(".keys.*"))
    target.publish(NEW, Generation(NOON + 1))
    assert holds(target, NEW)


def test_a_place_that_takes_nothing(tmp_path: Path) -> None:
    with pytest.raises(FileFailure, match="/proc/issuer can't be made"):
        DirectoryTarget(Path("/proc/issuer")).publish(OLD, Generation(NOON))
    with pytest.raises(FileFailure, match=r"/proc/\.well-known can't be made"):
        DirectoryTarget(Path("/proc")).publish(OLD, Generation(NOON))
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(FileFailure, match="file is not a folder"):
        DirectoryTarget(tmp_path / "file").publish(OLD, Generation(NOON))
    with pytest.raises(FileFailure, match="file is not a folder"):
        DirectoryTarget(tmp_path / "file" / "below").publish(OLD, Generation(NOON))


def test_links_are_not_followed(target: DirectoryTarget, tmp_path: Path) -> None:
    target.publish(OLD, Generation(NOON))
    victim = tmp_path / "victim"
    victim.write_bytes(b"victim")
    jwks(target).unlink()
    jwks(target).symlink_to(victim)
    target.publish(OLD, Generation(NOON))
    assert holds(target, OLD)
    (target.path / LOCK_FILE).unlink()
    (target.path / LOCK_FILE).symlink_to(victim)
    with pytest.raises(FileFailure, match="can't be opened"):
        target.publish(OLD, Generation(NOON))
    assert victim.read_bytes() == b"victim"


def test_another_publisher_is_waited_for_but_not_for_ever(target: DirectoryTarget) -> None:
    target.publish(OLD, Generation(NOON))
    with (target.path / LOCK_FILE).open("rb") as other:
        fcntl.flock(other, fcntl.LOCK_EX)
        with pytest.raises(TargetBusy, match=r"another publisher for 0\.05 s") as busy:
            DirectoryTarget(target.path, lock_seconds=0.05).publish(NEW, Generation(NOON + 1))
        assert busy.value.exit_status == EXIT_UNAVAILABLE
        timer = threading.Timer(0.1, fcntl.flock, (other, fcntl.LOCK_UN))
        timer.start()
        target.publish(NEW, Generation(NOON + 1))
        timer.join()
    assert holds(target, NEW)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"[]",
        b"{}",
        b'{"confirmed_at": true, "jwks_etag": ""}',
        b'{"confirmed_at": "now", "jwks_etag": ""}',
        b'{"confirmed_at": 1, "jwks_etag": null}',
        b'{"confirmed_at": 1, "jwks_etag": "", "sequence": 1.5}',
        b"{" * 100,
    ],
)
def test_a_generation_that_is_none_is_refused(target: DirectoryTarget, content: bytes) -> None:
    target.publish(OLD, Generation(NOON))
    (target.path / GENERATION_FILE).write_bytes(content)
    with pytest.raises(InvalidGeneration) as refused:
        target.publish(NEW, Generation(NOON + 1))
    assert "remove it" in (refused.value.hint or "")
    assert holds(target, OLD)
    (target.path / GENERATION_FILE).unlink()
    target.publish(NEW, Generation(NOON + 1))
    assert holds(target, NEW)


@pytest.mark.parametrize(
    ("path", "below"),
    [("", ""), ("/", ""), ("/a", "a"), ("/a/b/", "a/b"), ("/a%20b", "a b"), ("/%C3%A4", "ä")],
)
def test_the_folder_is_at_the_issuers_path(path: str, below: str) -> None:
    issuer = IssuerUrl.parse(f"https://issuer.example.org{path}")
    assert issuer_folder(Path("/srv"), issuer) == Path("/srv") / below


@pytest.mark.parametrize(
    "path", ["/..", "/a/../../b", "/%2e%2e/a", "/a//b", "/.", "/a%2Fb", "/%00"]
)
def test_a_path_that_leaves_the_directory_is_refused(path: str) -> None:
    issuer = IssuerUrl.parse(f"https://issuer.example.org{path}")
    with pytest.raises(InvalidPublishPath) as refused:
        issuer_folder(Path("/srv"), issuer)
    assert refused.value.exit_status == EXIT_USAGE
