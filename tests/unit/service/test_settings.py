"""The settings of `serve`: the examples load, and mistakes are located."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from commented_defaults import with_defaults

from spire_bridge.config.yaml import InvalidConfig, json_schema, parse
from spire_bridge.service.settings.serve import ServeSettings, load_serve_settings

EXAMPLES = sorted((Path(__file__).parents[3] / "conf").glob("issuer*.yaml"))
MINIMAL = """\
trust_domain: example.org
issuer:
  url: https://issuer.example.org
sources:
  - name: east
    workload_api:
      address: unix:///run/spire/agent.sock
"""


def read(text: str) -> ServeSettings:
    return parse(text.encode(), ServeSettings, name="issuer.yaml")


def refusal(text: str) -> str:
    with pytest.raises(InvalidConfig) as caught:
        read(text)
    return caught.value.message


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda path: path.name)
def test_the_examples_load(example: Path) -> None:
    issuers = load_serve_settings(example).all_issuers()
    assert issuers[0].trust_domain == "example.org"


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda path: path.name)
def test_what_the_examples_call_a_default_is_one(example: Path) -> None:
    """A setting that is commented out changes nothing when it is put in force."""
    text = example.read_text()
    assert with_defaults(text) != text
    assert read(with_defaults(text)) == read(text)


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda path: path.name)
def test_the_schema_takes_the_examples(example: Path) -> None:
    schema = json.loads(json_schema(ServeSettings))
    check(yaml.safe_load(example.read_text()), schema, schema["$defs"])


def test_the_schema_refuses_what_the_loader_refuses() -> None:
    schema = json.loads(json_schema(ServeSettings))
    content = yaml.safe_load(MINIMAL)
    check(content, schema, schema["$defs"])
    for wrong in (
        content | {"unknown": 1},
        content | {"sources": [{"name": "a"}], "issuer": {"use": "enc"}},
        content | {"issuer": {"url": "https://a.example", "cache_seconds": -1}},
        content | {"log": {"level": "loud"}},
    ):
        with pytest.raises(AssertionError):
            check(wrong, schema, schema["$defs"])
        with pytest.raises(InvalidConfig):
            read(json.dumps(wrong))


def test_every_setting_is_described_in_the_schema() -> None:
    schema = json.loads(json_schema(ServeSettings))
    for name, definition in schema["$defs"].items():
        assert definition["description"], name
        assert definition["additionalProperties"] is False


def check(value: Any, schema: dict[str, Any], definitions: dict[str, Any]) -> None:
    """As much of JSON Schema as the loaders' types need."""
    if "$ref" in schema:
        check(value, definitions[schema["$ref"].rpartition("/")[2]], definitions)
    elif "anyOf" in schema:
        assert any(accepts(value, option, definitions) for option in schema["anyOf"]), value
    elif "enum" in schema:
        assert value in schema["enum"]
    elif schema.get("type") == "object":
        assert isinstance(value, dict)
        assert set(schema.get("required", ())) <= value.keys()
        assert value.keys() <= schema["properties"].keys()
        for name, member in value.items():
            check(member, schema["properties"][name], definitions)
    elif schema.get("type") == "array":
        assert isinstance(value, list)
        assert len(value) >= schema.get("minItems", 0)
        for item in value:
            check(item, schema["items"], definitions)
    else:
        types = {"string": str, "integer": int, "number": (int, float)}
        types |= {"boolean": bool, "null": type(None)}
        assert isinstance(value, types[schema["type"]])
        if isinstance(value, int | float):
            assert schema.get("minimum", value) <= value <= schema.get("maximum", value)


def accepts(value: Any, schema: dict[str, Any], definitions: dict[str, Any]) -> bool:
    try:
        check(value, schema, definitions)
    except AssertionError:
        return False
    return True


@pytest.mark.parametrize(
    ("before", "after", "message"),
    [
        ("example.org\n", "no\n", "issuer.yaml:1: trust_domain: Expected `str`, got `bool`"),
        ("example.org\n", "Example.org\n", "issuer.yaml:1: trust_domain: "),
        ("example.org\n", "spiffe:///x\n", "issuer.yaml:1: trust_domain: "),
        ("https://issuer", "http://issuer", "issuer.yaml:3: issuer.url: issuer URL 'http://issu"),
        ("unix:///run", "/run", "issuer.yaml:7: sources[0].workload_api.address: Workload API add"),
        ("east", "ea st", "issuer.yaml:5: sources[0].name: Expected `str` matching regex"),
        ("east", "'a\"b'", "issuer.yaml:5: sources[0].name: "),
        ("address:", "adress:", "issuer.yaml:7: sources[0].workload_api.adress: unknown setting"),
        ("sources:", "listen: {address: ':80'}\nsources:", "issuer.yaml:4: listen.address: ':80'"),
        ("sources:", "health: {address: a}\nsources:", "issuer.yaml:4: health.address: 'a' is"),
        ("sources:", "health: {address: '127.0.0.1:8080'}\nsources:", "issuer.yaml:4: health: `li"),
        ("sources:", "last_good: {path: a}\nsources:", "issuer.yaml:4: last_good.path: Expected a"),
        ("sources:", "log: {level: loud}\nsources:", "issuer.yaml:4: log.level: Invalid enum val"),
    ],
)
def test_a_mistake_is_located(before: str, after: str, message: str) -> None:
    assert refusal(MINIMAL.replace(before, after, 1)).startswith(message)


def test_two_sources_need_two_names() -> None:
    twice = MINIMAL + "  - name: east\n    workload_api: {address: 'tcp://127.0.0.1:1'}\n"
    assert refusal(twice) == (
        "issuer.yaml:4: sources: Sources must have different names; twice: east"
    )


def test_a_file_that_is_not_there_is_an_error_of_configuration(tmp_path: Path) -> None:
    with pytest.raises(InvalidConfig, match=r"can't be read: No such file or directory"):
        load_serve_settings(tmp_path / "absent.yaml")


@pytest.mark.parametrize("setting", ["trust_domain", "issuer", "sources"])
def test_what_one_issuer_needs_is_missed_by_name(setting: str) -> None:
    content = yaml.safe_load(MINIMAL)
    del content[setting]
    assert refusal(json.dumps(content)) == f"issuer.yaml:1: {setting}: This setting is missing"


def several(*issuers: dict[str, Any], **more: Any) -> str:
    one = yaml.safe_load(MINIMAL)
    blocks = [one | {"name": f"i{number}"} | issuer for number, issuer in enumerate(issuers)]
    return json.dumps({"issuers": blocks, **more})


def issuer(url: str, **rules: Any) -> dict[str, Any]:
    return {"issuer": {"url": url, **rules}}


def test_one_issuer_and_several_are_alike_to_whoever_asks() -> None:
    (single,) = read(MINIMAL).all_issuers()
    first, second = read(
        several(issuer("https://a.example"), issuer("https://b.example"))
    ).all_issuers()
    assert (single.name, first.name, second.name) == ("example.org", "i0", "i1")
    assert single.sources == first.sources


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (several(issuer("https://a.example"), issuer("https://A.example:443/")), "host or path"),
        (several(issuer("https://a.example", path="/x"), issuer("https://a.example/x")), "path"),
        (several({"name": "x"}, {"name": "x"} | issuer("https://b.example")), "twice: x"),
        (several({}, trust_domain="example.org"), "trust_domain: With `issuers`, each of them"),
        (several({}, last_good={"max_age_seconds": 5}), "last_good: With `issuers`, each of them"),
        (several(issuer("https://a.example", jwks_uri="http://b.example")), "jwks_uri: issuer URL"),
        (several(issuer("https://a.example", discovery={"issuer": "x"})), "'issuer' follows from"),
        (several({"issuer": {}}), "exactly one of `url` and `urls`"),
        (several({"issuer": {"url": "https://a", "urls": ["https://b"]}}), "exactly one of"),
        (several({"issuer": {"urls": ["https://a"], "path": "/x"}}), "at its own path"),
        (several(issuer("https://a.example", algorithms=["RS512"])), "Invalid enum value 'RS512'"),
    ],
)
def test_a_mistake_in_one_of_several_is_located(text: str, message: str) -> None:
    assert message in refusal(text)
