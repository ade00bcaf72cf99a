"""`spire-bridge trust lint`: what will go wrong, before a token has been refused."""

from __future__ import annotations

import argparse
import sys
import time
from collections import Counter
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from spire_bridge.cli.arguments import add_output, duration
from spire_bridge.cli.command import Subparsers, add_command
from spire_bridge.cli.output import print_json, print_note
from spire_bridge.cli.trust_files import add_issuer, add_trust_files, issuer_reader, named_trust
from spire_bridge.errors import EXIT_FAILURE, one_line

if TYPE_CHECKING:
    from spire_bridge.cloud.lint_finding import LintFinding
    from spire_bridge.service.trust.linting import NamedIssuer
    from spire_bridge.service.trust.subject_list import SubjectList

_PATIENCE_SECONDS = 2.0  # what takes longer is told of, to a log as well


def add_parser(subparsers: Subparsers) -> None:
    parser = add_command(
        subparsers,
        "lint",
        run=run,
        summary="find what is wrong with what is configured, for many SPIFFE IDs at once",
        description="""
        Look at descriptions of trust at AWS, Google Cloud, Entra, Vault, OpenBao or
        Kubernetes, alone, beside each other and for SPIFFE IDs: conditions that match more
        than is meant, subjects that are too long, issuers that are spelled in two ways,
        limits that are exceeded, IDs that no description accepts or several do. A star in
        an ID stands for any path segment; an example of it is looked at.

        Ends with 0 if nothing is an error, and with 1 if something is; with --strict,
        warnings count as errors.
        """,
        examples="""
          spire-bridge trust lint --aws roles/*.json --gcp provider.json
          spire-bridge trust lint --ids ids.txt --issuer https://issuer.example.org \\
              --terraform plan.json --output sarif > trust.sarif
          spire-bridge trust lint --id 'spiffe://example.org/ns/*/sa/web' --azure web.json
        """,
    )
    parser.add_argument(
        "--ids",
        metavar="FILE",
        action="append",
        default=[],
        help="SPIFFE IDs, one a line, - for standard input",
    )
    parser.add_argument(
        "--id", metavar="ID", action="append", default=[], help="a SPIFFE ID, or several"
    )
    add_issuer(parser, default="none is looked at")
    add_trust_files(parser)
    parser.add_argument("--strict", action="store_true", help="take warnings for errors")
    parser.add_argument(
        "--timeout",
        metavar="T",
        type=duration,
        default=10.0,
        help="how long the issuer may take to answer, such as 5s (default: 10s)",
    )
    add_output(parser, "sarif")


def run(arguments: argparse.Namespace) -> int:
    from spire_bridge.service.trust.linting import find_all

    findings = find_all(
        named_trust(arguments),
        _subjects(arguments),
        _issuer(arguments),
        now=time.time(),
        progress=_progress(time.monotonic),
    )
    _print(findings, arguments.output)
    severities = {str(finding.severity) for finding in findings}
    failing = {"error", "warning"} if arguments.strict else {"error"}
    return EXIT_FAILURE if severities & failing else 0


def _subjects(arguments: argparse.Namespace) -> SubjectList:
    from spire_bridge.service.trust.subject_list import SubjectList

    subjects = SubjectList()
    for file in arguments.ids:
        subjects.read(file)
    for text in arguments.id:
        subjects.add(text, "--id")
    return subjects


def _issuer(arguments: argparse.Namespace) -> NamedIssuer | None:
    from spire_bridge.service.trust.linting import NamedIssuer

    if arguments.issuer is None:
        return None
    read = issuer_reader(arguments).read(arguments.issuer)
    url = arguments.issuer if "://" in arguments.issuer else read.documents.issuer
    return NamedIssuer(url, read)


def _progress(clock: Callable[[], float]) -> Callable[[int, int], None]:
    """Tells standard error how far it is: a terminal in one line, a log now and then."""
    told = clock()
    on_terminal = sys.stderr is not None and sys.stderr.isatty()

    def tell(done: int, total: int) -> None:
        nonlocal told
        if clock() - told < (0.1 if on_terminal else _PATIENCE_SECONDS) and done < total:
            return
        if on_terminal:
            print(f"\r{done} of {total} descriptions", end="", file=sys.stderr, flush=True)
            print(end="\r\033[K" if done == total else "", file=sys.stderr, flush=True)
        elif done < total:
            print_note(f"{done} of {total} descriptions")
        told = clock()

    return tell


def _print(findings: Sequence[LintFinding], output: str) -> None:
    if output == "sarif":
        from spire_bridge import __version__
        from spire_bridge.cloud.sarif import sarif

        print_json(sarif(findings, version=__version__))
    elif output == "json":
        print_json({"findings": [_json(f) for f in findings], "counts": _counts(findings)})
    else:
        for finding in findings:
            said = f"{finding.place}: {finding.severity}: {finding.message} [{finding.rule}]"
            print(one_line(said))
            if finding.fix:
                print(f"  fix: {one_line(finding.fix)}")
        counts = ", ".join(f"{count} {name}" for name, count in _counts(findings).items())
        print_note(f"found: {counts}")


def _counts(findings: Sequence[LintFinding]) -> dict[str, int]:
    counts = Counter(str(finding.severity) for finding in findings)
    return {f"{name}s": counts[name] for name in ("error", "warning", "note")}


def _json(finding: LintFinding) -> dict[str, Any]:
    return {
        "rule": finding.rule,
        "severity": str(finding.severity),
        "place": finding.place,
        "message": finding.message,
        "fix": finding.fix,
    }
