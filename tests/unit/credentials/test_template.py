"""Templates: what they are filled with, and that none can run on, grow or look around."""

from __future__ import annotations

import base64
import json
import sys
from typing import Any

import pytest
import yaml
from credential_material import OTHER, WEB, jwt_svid, x509_context
from hypothesis import given
from hypothesis import strategies as st

from spire_bridge.credentials.errors import InvalidOutput, RenderFailure
from spire_bridge.credentials.template import Template, TemplatesMissing, variables
from spire_bridge.credentials.template_language import MAX_BYTES, MAX_SOURCE_BYTES

CONTEXT = x509_context(intermediate=True, federated=True)
TOKEN = jwt_svid("db", "cache")
SVID = (CONTEXT.default_svid, CONTEXT)
ALL = variables(x509=SVID, jwt=TOKEN)


def filled(source: str, values: dict[str, Any] | None = None) -> str:
    return Template.parse(source, name="t")(ALL if values is None else values).decode()


def test_the_variables() -> None:
    assert filled("{{ svid.spiffe_id }} {{ svid.trust_domain }}") == f"{WEB} example.org"
    assert filled("{{ svid.token }}") == TOKEN.token
    assert filled("{{ svid.audience | join(',') }}") == "db,cache"
    assert filled("{{ certificates }}") == CONTEXT.default_svid.chain_pem().decode()
    assert filled("{{ key }}") == CONTEXT.default_svid.private_key_pem().decode()
    assert filled("{{ bundles['other.example'] }}") == CONTEXT.bundles[OTHER].pem().decode()
    assert filled("{{ expires_at }}") == str(TOKEN.expires_at)
    assert filled("{{ expires_at | rfc3339 }}").endswith("Z")


def test_what_there_is_follows_what_was_fetched() -> None:
    assert "key" not in variables(jwt=TOKEN)
    assert "token" not in variables(x509=SVID)["svid"]
    assert variables(jwt=TOKEN)["expires_at"] == TOKEN.expires_at
    with pytest.raises(InvalidOutput, match="one identity"):
        variables(x509=SVID, jwt=jwt_svid("db", subject="spiffe://example.org/other"))


def test_shapes_that_programs_read() -> None:
    document = yaml.safe_load(
        filled(
            "user: web\ntls:\n  key: |\n    {{ key | indent(4) }}\n"
            "  encoded: {{ bundle | b64encode }}\n"
            "peers:\n{% for name, pem in bundles | items %}  {{ name }}: {{ pem | tojson }}\n"
            "{% endfor %}"
        )
    )
    assert document["tls"]["key"].strip() == ALL["key"].strip()
    assert base64.b64decode(document["tls"]["encoded"]).decode() == ALL["bundle"]
    assert document["peers"] == ALL["bundles"]
    assert json.loads(filled('{"token": {{ svid.token | tojson }}}')) == {"token": TOKEN.token}


def test_conditions_loops_and_their_last_step() -> None:
    source = (
        "{% if svid.hint is defined and not svid.hint %}none{% else %}some{% endif %}"
        "{% for a in svid.audience %} {{ loop.index }}{{ a }}{% if not loop.last %},{% endif %}"
        "{% endfor %}{{ '!' if svid.token is defined }}"
    )
    assert filled(source) == "none 1db, 2cache!"


def test_a_name_that_is_not_there_is_an_error() -> None:
    for source in ("{{ nothing }}", "{{ svid.nothing }}", "{{ bundles['nobody.example'] }}"):
        with pytest.raises(RenderFailure) as failed:
            filled(source)
        assert TOKEN.token not in failed.value.diagnostic()
    assert "its variables: bundle, bundles" in failed.value.diagnostic()


@pytest.mark.parametrize(
    "source",
    [
        "{% include '/etc/passwd' %}",
        "{% import 'x' as y %}",
        "{% extends 'x' %}",
        "{% macro f() %}{{ f() }}{% endmacro %}{{ f() }}",
        "{% set x %}{{ key }}{{ key }}{% endset %}",
        "{% filter trim %}{{ key }}{% endfilter %}",
        "{{ key ~ key }}",
        "{{ key + key }}",
        "{{ 'a' * 1000000000 }}",
        "{{ 9 ** 9 ** 9 }}",
        "{{ '%1000000000d' % 1 }}",
        "{{ key.ljust(1000000000) }}",
        "{{ '{:>1000000000}'.format(1) }}",
        "{% for x in range(99999999) %}{% endfor %}",
        "{% for x in svid.audience recursive %}{{ loop(x) }}{% endfor %}",
        "{{ lipsum() }}",
        "{{ cycler }}{{ cycler() }}",
        "{{ key | center(1000000000) }}",
        "{{ [1, 2] }}",
        "{% set x = (key, key) %}{% set x = (x, x) %}{{ x }}",
        "{{ key[0:1] }}",
        "{{ svid.",
        "{% if %}",
        "{{ key | nosuchfilter }}",
        "{{ " + "(" * 5000 + "key" + ")" * 5000 + " }}",
        "x" * (MAX_SOURCE_BYTES + 1),
    ],
)
def test_what_could_run_on_or_grow_is_not_read(source: str) -> None:
    with pytest.raises(InvalidOutput):
        Template.parse(source, name="t")


@pytest.mark.parametrize(
    "source",
    [
        "{{ key.__class__ }}",
        "{{ svid['__class__'] }}",
        "{{ svid.items }}",
        "{{ key.upper }}",
        "{% for x in svid.audience %}{{ loop.__init__ }}{% endfor %}",
        "{{ key | indent(1000000000) }}",
        "{{ key | replace('', key) }}",
        "{{ expires_at | trim }}",
        "{{ key | rfc3339 }}",
        "{{ svid | rfc3339 }}",
        "{{ key < expires_at }}",
        "{{ svid.audience | length(1) }}",
        "{% for x in expires_at %}{% endfor %}",
        "{% for x in _counted %}{% endfor %}",
    ],
)
def test_what_is_refused_when_it_is_filled(source: str) -> None:
    with pytest.raises(RenderFailure) as failed:
        filled(source)
    assert "PRIVATE KEY" not in failed.value.diagnostic()


def test_loops_within_loops_end() -> None:
    source = "{% for a in key %}{% for b in key %}{% for c in key %}{% endfor %}{% endfor %}"
    with pytest.raises(RenderFailure, match="steps"):
        filled(source + "{% endfor %}")


def test_a_file_has_an_end() -> None:
    with pytest.raises(RenderFailure, match="bytes"):
        filled("{% for a in key %}{% for b in key %}{{ bundle }}{% endfor %}{% endfor %}")


def test_values_have_an_end() -> None:
    grown = {"text": "x" * (MAX_BYTES // 2)}
    for source in (
        "{{ text | replace('x', 'xxx') }}",
        "{{ text | join(text) }}",
        "{{ text | b64encode | b64encode | b64encode }}",
    ):
        with pytest.raises(RenderFailure, match="characters"):
            filled(source, grown)


@given(st.text(max_size=60))
def test_any_text_is_a_template_or_an_error(source: str) -> None:
    try:
        template = Template.parse(source, name="t")
    except InvalidOutput:
        return
    try:
        template(ALL)
    except RenderFailure:
        return


@given(st.text(alphabet=st.characters(exclude_characters="{%#\r\n"), max_size=60))
def test_plain_text_stays_as_it_is(text: str) -> None:
    assert filled(text) == text


def test_neither_the_template_nor_its_repr_holds_what_it_was_filled_with() -> None:
    template = Template.parse("{{ key }}", name="t")
    template(ALL)
    assert "PRIVATE" not in repr(template)


def test_without_jinja2(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "jinja2", None)
    with pytest.raises(TemplatesMissing) as missing:
        Template.parse("{{ key }}", name="t")
    assert "spire-bridge[templates]" in missing.value.diagnostic()
