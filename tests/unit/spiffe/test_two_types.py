"""A parsed JWT-SVID is not a proven one, and only verification makes the second."""

from __future__ import annotations

import ast
import inspect
from collections.abc import Iterator
from pathlib import Path

import spire_bridge
from spire_bridge.spiffe import jwt_svid
from spire_bridge.spiffe.jwt_svid import JwtSvid, UnverifiedJwtSvid

PACKAGE = Path(spire_bridge.__file__).parent


def uses_of_proven(tree: ast.AST, function: str = "") -> Iterator[tuple[str, str]]:
    """Each call of `JwtSvid`, with the function that it stands in."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.Call):
            called = ast.unparse(node.func).rpartition(".")[2]
            if called == "JwtSvid":
                yield called, function
        inside = node.name if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) else function
        yield from uses_of_proven(node, inside)


def test_only_verification_makes_a_proven_svid() -> None:
    makers = {
        (path.relative_to(PACKAGE).as_posix(), function)
        for path in PACKAGE.rglob("*.py")
        if "_proto" not in path.parts
        for _, function in uses_of_proven(ast.parse(path.read_text(encoding="utf-8")))
    }
    assert makers == {("spiffe/jwt_svid.py", "verify_jwt_svid")}


def test_neither_type_passes_for_the_other() -> None:
    assert not issubclass(UnverifiedJwtSvid, JwtSvid)
    assert not issubclass(JwtSvid, UnverifiedJwtSvid)


def test_a_proven_svid_has_no_parser_of_its_own() -> None:
    assert not [name for name, _ in inspect.getmembers(JwtSvid, inspect.ismethod)]


def test_verification_takes_the_token_and_returns_the_proven_type() -> None:
    """It can't be handed something that was parsed, changed and never proven."""
    signature = inspect.signature(jwt_svid.verify_jwt_svid)
    assert signature.parameters["token"].annotation == "str"
    assert signature.return_annotation == "JwtSvid"
