"""CEL in conditions and mappings: values, errors as values, and expressions that are refused."""

from __future__ import annotations

import sys
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spire_bridge.cloud import cel_functions
from spire_bridge.cloud.cel import CelError, CelFailure, Expression, compile_expression
from spire_bridge.cloud.cel_simple import compile_simple
from spire_bridge.cloud.cel_syntax import (
    members_read,
    selected_path,
    without_optional_selections,
)
from spire_bridge.cloud.trust_errors import InvalidTrust

CLAIMS = {
    "sub": "spiffe://example.org/ns/prod/sa/web",
    "aud": ["a", "b"],
    "n": 7,
    "verified": True,
    "nested": {"a.b": "deep", "none": None},
}


def compiled(text: str, **options: Any) -> Expression:
    functions = {**cel_functions.GOOGLE, **cel_functions.KUBERNETES}
    return compile_expression(
        text, name="trust.json", place="x", roots={"claims", "attribute"},
        functions=functions, **options,
    )  # fmt: skip


def value(text: str, claims: Any = CLAIMS) -> Any:
    return compiled(text).evaluate({"claims": claims, "attribute": {}})


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("claims.sub", CLAIMS["sub"]),
        (" claims [ 'nested' ] . none ", None),
        ("claims['nested']['a.b']", "deep"),
        ("claims", CLAIMS),
        ("claims.sub.startsWith('spiffe://') && 'b' in claims.aud", True),
        ("claims.sub.extract('/ns/{ns}/')", "prod"),
        ("claims.sub.extract('/sa/{sa}')", "web"),
        ("claims.sub.extract('/none/{x}')", ""),
        ("claims.sub.extract('/ns/{x}/none')", ""),
        ("claims.sub.split('/')[4]", "prod"),
        ("'a-b-c'.split('-', 2)", ["a", "b-c"]),
        ("'abc'.split('', 2)", ["a", "bc"]),
        ("'abc'.split('', 0)", []),
        ("claims.aud.join('+')", "a+b"),
        ("'ÄBc'.lowerAscii() + 'äbC'.upperAscii()", "ÄbcäBC"),
        ("'aXbX'.replace('X', '-', 1)", "a-bX"),
        ("'abc'.substring(1) + 'abc'.substring(0, 1) + 'abc'.charAt(3)", "bca"),
        ("'abca'.indexOf('a', 1) + 'abca'.lastIndexOf('a')", 6),
        ("claims.aud.indexOf('z') + ['a', 'a'].lastIndexOf('a')", 0),
        ("' a '.trim() + 'ab'.reverse() + string(true)", "abatrue"),
        ("'ab12c3'.find('[0-9]+') + 'ab12c3'.findAll('[0-9]+').join('')", "12123"),
        ("[1, 2].sum() + [1, 2].min() + [1, 2].max()", 6),
        ("[1, 2].isSorted() && ![2, 1].isSorted()", True),
        ("claims.?email.orValue('none')", "none"),
        ("claims.?nested.none.hasValue() && !claims.?sub.x.hasValue()", True),
        ("claims.?n.orValue(1) == 7 && claims.?verified.orValue(false) in [true]", True),
        ("'claims.?n' == claims.?gone.orValue('claims.?n')", True),
        ("claims.aud.exists(a, a == 'b')", True),
        ("claims.all(k, k != 'x')", True),
        ("type(claims.n) == int", True),
    ],
)
def test_values(text: str, expected: Any) -> None:
    assert value(text) == expected


@pytest.mark.parametrize(
    ("text", "failure", "message"),
    [
        ("claims.email", CelFailure.MISSING_KEY, "no such key: email"),
        ("claims.email == 'a'", CelFailure.MISSING_KEY, "no such key: email"),
        ("claims.sub.x", CelFailure.WRONG_TYPE, "got string, want map"),
        ("claims.sub + 1", CelFailure.WRONG_TYPE, "no such overload"),
        ("claims.n.startsWith('a')", CelFailure.WRONG_TYPE, "no such overload"),
        ("claims.n.size()", CelFailure.WRONG_TYPE, "no such overload: size"),
        ("claims.aud[9]", CelFailure.FAILED, "index out of range"),
        ("claims.n / 0", CelFailure.FAILED, "arithmetic error"),
        ("claims.sub.substring(99)", CelFailure.FAILED, "the expression failed"),
        ("claims.sub.charAt(99)", CelFailure.FAILED, "the expression failed"),
        ("claims.sub.extract('no name')", CelFailure.FAILED, "the expression failed"),
        ("string(claims.nested)", CelFailure.FAILED, "the expression failed"),
    ],
)
def test_errors_are_values(
    text: str, failure: CelFailure, message: str, caplog: pytest.LogCaptureFixture
) -> None:
    error = value(text)
    assert isinstance(error, CelError)
    assert error.failure is failure
    assert message in error.message
    assert "example.org" not in error.message + caplog.text


def test_a_result_has_the_type_that_was_asked_for() -> None:
    roots = {"claims": CLAIMS}
    assert compiled("claims.verified").truth(roots) is True
    assert compiled("claims.sub").string(roots) == CLAIMS["sub"]
    assert compiled("claims.aud").strings(roots) == ("a", "b")
    assert compiled("claims.sub").strings(roots) == (CLAIMS["sub"],)
    wrong = CelFailure.WRONG_TYPE
    assert compiled("claims.n").truth(roots) == CelError(wrong, "got int, want bool")
    assert compiled("claims.n").string(roots) == CelError(wrong, "got int, want string")
    assert compiled("claims.n").strings(roots) == CelError(wrong, "got int, want list of strings")
    assert isinstance(compiled("claims.gone").strings(roots), CelError)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("claims.sub ==", "x: no CEL: 1:14: Syntax error"),
        ("", "no CEL"),
        ("claims.?", "no CEL"),
        (".?a", "no CEL"),
        ("[" * 500, "no CEL"),
        ("'\ud800' == ''", "no CEL"),
        ("claims.sub.frobnicate()", "function 'frobnicate' is not known"),
        ("assertion.sub == 'a'", "'assertion' is none of attribute, claims"),
        ("assertion.sub", "'assertion' is none of attribute, claims"),
        ("claims.a" * 10_000, "80000 characters; 8192 are allowed"),
    ],
)
def test_what_is_no_expression_is_refused_with_its_place(text: str, reason: str) -> None:
    with pytest.raises(InvalidTrust, match=r"trust\.json: x: ") as raised:
        compiled(text)
    assert reason in raised.value.message


def test_a_verifier_has_its_own_limit() -> None:
    with pytest.raises(InvalidTrust, match="3 are allowed"):
        compiled("claims.sub", max_characters=3)


def test_only_what_needs_the_engine_asks_for_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "cel", None)
    assert value("claims.sub.startsWith('spiffe://') && 'a' in claims.aud") is True
    with pytest.raises(InvalidTrust, match="needs a CEL engine") as raised:
        compiled("claims.sub == 'a' || claims.sub == 'b'")
    assert raised.value.hint == "pip install 'spire-bridge[cel]'"


@pytest.mark.parametrize(
    "text",
    [
        "a.b['c.d'][\"e\"] == 'x'",
        "has(a.b) && 'x' in a.c && a.d != 'y'",
        "a.b.extract('{x}/') ",
        "a.b.replace('x', 'y') && a",
        "a.b.trim()",
    ],
)
def test_simple_expressions(text: str) -> None:
    assert compile_simple(text, {"a"}, cel_functions.GOOGLE) is not None


@pytest.mark.parametrize(
    "text",
    [
        "a.b.split('/')[0]", "a[0]", "a.b + c", "true", "a.?b", "'a'", "a b", "a['\\x']", "a(b)",
        "trim(a.b)", "a.b.trim() == 'x'", "a.b || a.c", "(a.b)", "!a.b", "has(a)", "has(a['b'])",
        "c.d", "a.b.frobnicate()", "a.b.trim(", "a.b.replace('x' 'y')", "a.b.replace('x',)",
        "a['b']('x')", "a &&", "&& a", "a.b == r'x'", "a.b == '''x'''", "a == 'x' == 'y'",
    ],
)  # fmt: skip
def test_what_is_left_to_the_engine(text: str) -> None:
    assert compile_simple(text, {"a"}, cel_functions.GOOGLE) is None


def test_selections_are_told_from_anything_else() -> None:
    assert selected_path("a.b['c.d'][\"e\"]") == ("a", "b", "c.d", "e")
    for other in ("", "a.b()", "a[0]", "a.b + c", "true", "a.?b", "'a'", "a b", "a['\\x']"):
        assert selected_path(other) is None


def test_the_members_that_an_expression_reads() -> None:
    text = "has(claims.a) && x.claims == 'claims.b' && claims['c'] in claims.?d.e"
    assert members_read(text, "claims") == {"a", "c", "d"}
    for whole in ("'a' in claims", "claims.all(k, true)", "claims[k]", "claims.a + f(claims)"):
        assert members_read(whole, "claims") is None


def test_optional_selections_are_written_as_calls() -> None:
    text = "!a.b.?c.d.orValue('x.?y') && f(e.?g)"
    assert without_optional_selections(text, "o") == (
        """! o(a . b, ["c", "d"]) . orValue ( 'x.?y' ) && f ( o(e, ["g"]) )"""
    )


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=8,
)


@given(
    text=st.sampled_from(
        ["claims.a", "claims.a.b + claims.c", "claims.a.split('/')[0].extract('{x}/')"]
    ),
    claims=st.dictionaries(st.sampled_from("abc"), JSON),
)
def test_no_claims_make_an_expression_raise(text: str, claims: dict[str, Any]) -> None:
    compiled(text).string({"claims": claims})


@given(st.text(alphabet="claims.?[]'\"\\ab()+&=1\n ", max_size=40) | st.text())
def test_any_text_is_an_expression_or_refused(text: str) -> None:
    with suppress(InvalidTrust):
        compiled(text).evaluate({"claims": CLAIMS})


TERMS = (
    "claims.a",
    "claims.a.b",
    "claims.a == 'x'",
    "claims.a.b != 'x'",
    "'x' in claims.a",
    "has(claims.a)",
    "has(claims.a.b)",
    "claims.a.startsWith('x')",
    "claims.a.extract('{y}x')",
    "claims.c",
)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(0, 9) | st.sampled_from(["", "x", "xy", "yx"]),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from("abx"), inner),
    max_leaves=4,
)


@given(
    terms=st.lists(st.sampled_from(TERMS), min_size=1, max_size=3),
    claims=st.dictionaries(st.sampled_from("ac"), VALUES),
)
def test_simple_expressions_agree_with_the_engine(terms: list[str], claims: dict[str, Any]) -> None:
    simple = compiled(" && ".join(terms)).evaluate({"claims": claims})
    engine = compiled(" && ".join(f"({term})" for term in terms)).evaluate({"claims": claims})
    if isinstance(engine, CelError):
        assert isinstance(simple, CelError)
    else:
        assert (type(simple), simple) == (type(engine), engine)
