"""`spire-bridge status`: how a running issuer is."""

from __future__ import annotations

import argparse
from collections.abc import Iterable
from typing import Any

from spire_bridge.cli.arguments import add_output, duration
from spire_bridge.cli.command import Subparsers, add_command
from spire_bridge.cli.output import print_json, print_table, span
from spire_bridge.errors import EXIT_UNAVAILABLE


def add_parser(subparsers: Subparsers) -> None:
    parser = add_command(
        subparsers,
        "status",
        run=run,
        summary="show how a running issuer, its sources and its keys are",
        description="""
        Ask a running issuer at its health listener: whether it is ready, how old its bundle
        is; for each source whether it is connected, lagging or in error; for each key when it
        was first seen, first published and first seen signing, and when it expires; and what
        verifiers are known to refuse. Ends with 0 if every issuer is ready and with 4 if one
        is not.
        """,
        examples="""
          spire-bridge status
          spire-bridge status --health 127.0.0.1:9000 --output json
        """,
    )
    parser.add_argument(
        "--health",
        metavar="ADDRESS",
        default="127.0.0.1:8081",
        help="the issuer's health listener, also unix:/path (default: 127.0.0.1:8081)",
    )
    parser.add_argument(
        "--timeout",
        metavar="T",
        type=duration,
        default=5.0,
        help="how long it may take to answer, such as 2s (default: 5s)",
    )
    add_output(parser)


def run(arguments: argparse.Namespace) -> int:
    from spire_bridge.service.status import fetch_status, parse_health_address

    address = parse_health_address(arguments.health)
    status = fetch_status(address, timeout_seconds=arguments.timeout)
    if arguments.output == "json":
        print_json(status)
    else:
        for number, issuer in enumerate(status["issuers"]):
            print(end="\n" if number else "")
            _print_issuer(issuer, status["now"])
    return 0 if status["ready"] else EXIT_UNAVAILABLE


def _print_issuer(issuer: dict[str, Any], now: float) -> None:
    age = issuer["bundle_age_seconds"]
    bundle = "no bundle" if age is None else f"bundle confirmed {span(age)} ago"
    verdict = "ready" if issuer["ready"] else "NOT READY"
    print(f"{', '.join(issuer['urls'])}: {verdict}: {issuer['keys']} keys, {bundle}")
    for reason in issuer["reasons"]:
        print(f"  {reason}")
    for finding in issuer["findings"]:
        print(f"  {finding['verifier']} will object: {finding['reason']}")
    print()
    print_table(("SOURCE", "STATE", "FOR", "KEYS", "NOTE"), (_source(s) for s in issuer["sources"]))
    if issuer.get("targets"):  # of `publish --watch`
        print()
        print_table(
            ("TARGET", "STATE", "PUBLISHED", "WRITTEN", "NOTE"), map(_target, issuer["targets"])
        )
    if issuer["key_history"]:
        print()
        print_table(
            ("KEY", "ALG", "STATE", "SEEN", "PUBLISHED", "SIGNING", "EXPIRES", "NOTE"),
            (_key(key, now) for key in issuer["key_history"]),
        )


def _source(source: dict[str, Any]) -> tuple[str, ...]:
    error = source["last_error"]
    notes = (
        f"{error['code']}: {error['message']}" if error else "",
        f"lacks {_some(source['missing_keys'])}" if source["missing_keys"] else "",
        f"still tells {_some(source['stale_keys'])}" if source["stale_keys"] else "",
    )
    state = "connected" if source["connected"] else "lost"
    return (
        source["name"],
        "lagging" if source["lagging"] else state,
        span(source["since_seconds"]),
        str(source["keys"]),
        _joined(notes),
    )


def _target(target: dict[str, Any]) -> tuple[str, ...]:
    error, behind, ago = (
        target[name] for name in ("last_error", "behind_seconds", "last_success_seconds")
    )
    state = "current" if behind is None else f"behind for {span(behind)}"
    notes = (
        f"{error['code']}: {error['message']}" if error else "",
        "not yet seen at its public URL" if target["visible"] is False and not error else "",
    )
    published = f"{span(ago)} ago" if ago is not None else "never"
    return target["name"], state, published, str(target["written"]), _joined(notes)


def _key(key: dict[str, Any], now: float) -> tuple[str, ...]:
    expires_at = key["expires_at"]
    if expires_at is None:
        expiry = "not known"
    else:
        expiry = f"in {span(expires_at - now)}" if expires_at > now else "has expired"
    notes = (
        "tainted" if key["tainted"] else "",
        key["left_out"] or "",
        _too_early(key),
    )
    return (
        key["key_id"],
        key["algorithm"] or "-",
        key["state"],
        _ago(key["first_seen"], now),
        _ago(key["first_published"], now),
        _ago(key["first_signed"], now),
        expiry,
        _joined(notes),
    )


def _too_early(key: dict[str, Any]) -> str:
    if not key["signed_too_early"]:
        return ""
    if key["first_published"] is None:
        return "signs, and verifiers do not know it"
    return "signed before it was published"


def _ago(moment: float | None, now: float) -> str:
    return "-" if moment is None else f"{span(max(0.0, now - moment))} ago"


def _joined(notes: Iterable[str]) -> str:
    return "; ".join(note for note in notes if note)


def _some(key_ids: list[str]) -> str:
    shown = ", ".join(key_ids[:3])
    return shown if len(key_ids) <= 3 else f"{shown} and {len(key_ids) - 3} more"
