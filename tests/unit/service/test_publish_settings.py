"""The settings of targets, and the targets that they make."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from spire_bridge.config.yaml import InvalidConfig, parse
from spire_bridge.publish.bucket import BucketTarget
from spire_bridge.publish.directory import DirectoryTarget
from spire_bridge.publish.target import InvalidPublishPath
from spire_bridge.service.publishing.targets import NoTarget, TargetsCollide, configured_targets
from spire_bridge.service.settings.serve import ServeSettings

FILES = {"name": "files", "directory": {"path": "/srv"}}


def content(url: str = "https://issuer.example.org/a/b", **more: Any) -> dict[str, Any]:
    source = {"name": "east", "workload_api": {"address": "unix:///run/agent.sock"}}
    return {
        "trust_domain": "example.org",
        "issuer": {"url": url},
        "sources": [source],
        **more,
    }


def read(value: dict[str, Any]) -> ServeSettings:
    return parse(json.dumps(value).encode(), ServeSettings, name="issuer.yaml")


def with_targets(*targets: dict[str, Any], **more: Any) -> dict[str, Any]:
    return content(publish={"targets": list(targets)}, **more)


@pytest.mark.parametrize(
    ("target", "place"),
    [
        ({"s3": {"bucket": "site"}}, "s3://site/a/b"),
        ({"s3": {"bucket": "site", "prefix": ""}}, "s3://site"),
        ({"s3": {"bucket": "site", "prefix": "x/y"}}, "s3://site/x/y"),
        ({"gcs": {"bucket": "site"}}, "gs://site/a/b"),
        ({"azure": {"account": "acct", "container": "site"}}, "azure://acct/site/a/b"),
    ],
)
def test_a_bucket_has_the_documents_at_the_issuers_path(
    target: dict[str, Any], place: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("AWS_ACCESS_KEY_ID", raising=False)
    settings = read(with_targets({"name": "t", **target, "public_url": "https://cdn.example/x"}))
    [made] = configured_targets(settings)["example.org"]
    assert isinstance(made.target, BucketTarget)
    assert made.target.objects.location("") == place
    assert made.public is not None
    assert made.public.url == "https://cdn.example/x"


def test_a_directory_has_them_below() -> None:
    [made] = configured_targets(read(with_targets(FILES)))["example.org"]
    assert made.target == DirectoryTarget(Path("/srv/a/b"))
    assert made.public is None


def test_the_shortcut_takes_the_place_of_all_targets() -> None:
    [made] = configured_targets(read(with_targets(FILES)), Path("/other"))["example.org"]
    assert (made.name, made.target) == ("directory", DirectoryTarget(Path("/other/a/b")))


def test_without_a_target_it_says_what_to_do() -> None:
    with pytest.raises(NoTarget) as absent:
        configured_targets(read(content()))
    assert "--directory" in (absent.value.hint or "")


def test_issuers_of_one_path_need_directories_of_their_own() -> None:
    blocks = [
        {"name": name, **content(f"https://{name}.example/x"), "publish": {"targets": [target]}}
        for name, target in (("a", FILES), ("b", FILES | {"directory": {"path": "/b"}}))
    ]
    settings = read({"issuers": blocks})
    found = configured_targets(settings)
    assert {name: one.target for name, (one,) in found.items()} == {
        "a": DirectoryTarget(Path("/srv/x")),
        "b": DirectoryTarget(Path("/b/x")),
    }
    with pytest.raises(TargetsCollide, match=r"issuers a \(https://a.example/x\) and b"):
        configured_targets(settings, Path("/srv"))


@pytest.mark.parametrize("path", ["/a//b", "/a/%2e%2e/b"])
def test_a_path_that_no_bucket_has(path: str) -> None:
    target = {"name": "t", "s3": {"bucket": "site"}}
    with pytest.raises(InvalidPublishPath):
        configured_targets(read(with_targets(target) | {"issuer": {"url": f"https://i{path}"}}))


@pytest.mark.parametrize(
    ("target", "message"),
    [
        ({"name": "t"}, "needs exactly one of `directory`, `s3`, `gcs`, `azure`"),
        (FILES | {"gcs": {"bucket": "b"}}, "needs exactly one of"),
        (FILES | {"name": "a b"}, "publish.targets[0].name: "),
        ({"name": "t", "directory": {"path": "srv"}}, "directory.path: Expected an absolute path"),
        ({"name": "t", "s3": {"bucket": "a/b"}}, "s3.bucket: "),
        ({"name": "t", "s3": {"bucket": "b", "prefix": "/x"}}, "s3.prefix: "),
        ({"name": "t", "s3": {"bucket": "b", "prefix": "x/"}}, "s3.prefix: "),
        ({"name": "t", "s3": {"bucket": "b", "endpoint": "x"}}, "s3.endpoint: "),
        ({"name": "t", "s3": {"bucket": "b", "secret_access_key": "x"}}, "unknown setting"),
        ({"name": "t", "azure": {"container": "c"}}, "account"),
        (FILES | {"public_url": "https://x/"}, "public_url: "),
        (FILES | {"public_url": "https://x?y"}, "public_url: "),
        (FILES | {"public_url": "https://u:p@x"}, "public_url: "),
        (FILES | {"public_url": "https://x:y"}, "public_url: "),
        (FILES | {"public_url": "ftp://x"}, "public_url: "),
    ],
)
def test_a_mistake_is_located(target: dict[str, Any], message: str) -> None:
    with pytest.raises(InvalidConfig) as refused:
        read(with_targets(target))
    assert message in refused.value.message


def test_targets_need_different_names_and_one_url() -> None:
    with pytest.raises(InvalidConfig, match="twice: files"):
        read(with_targets(FILES, FILES))
    two_urls = with_targets(FILES) | {"issuer": {"urls": ["https://a", "https://b"]}}
    with pytest.raises(InvalidConfig, match="publish: Targets take an issuer of one `url`"):
        read(two_urls)
    with pytest.raises(InvalidConfig, match="publish: With `issuers`, each of them has this"):
        read({"issuers": [{"name": "a", **content()}], "publish": {"targets": [FILES]}})
