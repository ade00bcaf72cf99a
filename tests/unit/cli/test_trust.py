"""`trust evaluate` and `trust lint`, with a verifier of the plainest kind."""

from __future__ import annotations

import io
import json
import time
from pathlib import Path
from typing import Any

import pytest
from forgery.tokens import jwk, jwk_set, rsa_key, signed
from plain_verifier import PlainVerifier

from spire_bridge.cli import arguments, trust_lint
from spire_bridge.cli.main import main
from spire_bridge.cloud.verifiers import VERIFIERS

ISSUER = "https://issuer.example.org"
SUBJECT = "spiffe://example.org/web"
KEY = rsa_key()
HEADER = {"alg": "RS256", "kid": "a", "typ": "JWT"}


def token(**claims: Any) -> str:
    now = int(time.time())
    base = {"iss": ISSUER, "sub": SUBJECT, "aud": ["here"], "iat": now, "exp": now + 300}
    return signed(KEY, HEADER, {**base, **claims})


class Desk:
    """A folder with a token, a saved issuer and trusts, and what the command says of them."""

    def __init__(self, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.folder, self._capsys = folder, capsys
        self.token = token()
        self.write("token.jwt", self.token)
        self.write("issuer/openid-configuration.json", {"issuer": ISSUER})
        self.write("issuer/jwks.json", json.loads(jwk_set(jwk(KEY, kid="a"))))
        self.write("good.json", trust())

    def write(self, name: str, content: Any) -> str:
        file = self.folder / name
        file.parent.mkdir(exist_ok=True)
        file.write_text(content if isinstance(content, str) else json.dumps(content))
        return str(file)

    def run(self, *words: str) -> tuple[int, str, str]:
        status = main(["trust", *words])
        shown = self._capsys.readouterr()
        for part in self.token.split("."):
            assert part not in shown.out + shown.err
        return status, shown.out, shown.err

    def evaluate(self, *words: str, issuer: str | None = None) -> tuple[int, str, str]:
        given = ("--token", str(self.folder / "token.jwt"))
        return self.run(
            "evaluate", *given, "--issuer", issuer or str(self.folder / "issuer"), *words
        )


def trust(**changes: Any) -> dict[str, Any]:
    return {"issuer": ISSUER, "subject": SUBJECT, "audience": "here", **changes}


@pytest.fixture
def desk(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> Desk:
    for key in ("aws", "gcp"):
        monkeypatch.setitem(VERIFIERS, key, PlainVerifier(key))
    monkeypatch.chdir(tmp_path)
    return Desk(tmp_path, capsys)


def test_an_accepted_token(desk: Desk) -> None:
    status, out, err = desk.evaluate("--aws", "good.json")
    assert status == 0
    lines = out.splitlines()
    assert lines[0] == "Plain verifier: good.json"
    assert lines[2].split() == ["CLAUSE", "FOUND", "WANTED"]
    assert [line[0] for line in lines[3:8]] == ["✓"] * 5
    assert "audience (assumed)" in lines[5]
    assert lines[9:] == ["accepted as", f"  name: {SUBJECT}", "  roles: a"]
    assert err.startswith(f'token: {SUBJECT}  issuer {ISSUER}  audience ["here"]  expires in ')


def test_a_refusal_is_explained(desk: Desk) -> None:
    desk.write("bad.json", trust(audience="there"))
    status, out, _ = desk.evaluate("--aws", "bad.json", "good.json")
    assert status == 1
    marks = [line[0] for line in out.splitlines()[3:8]]
    assert marks == ["✓", "✓", "✗", "·", "·"]
    explained = out[out.index("refused by") : out.index("\n\nPlain verifier: good.json")]
    assert explained.splitlines() == [
        "refused by the clause 'audience'",
        '  found   ["here"]',
        "  wanted  there",
        '  answer  NotForUs (HTTP 403): NotForUs: ["here"] (assumed)',
        "  fix     set there",
        "  source  hearsay (assumed)",
    ]
    assert "accepted as" in out


def test_all_of_it_as_json(desk: Desk) -> None:
    desk.write("bad.json", trust(subject="x"))
    status, out, err = desk.evaluate("--gcp", "bad.json", "--aws", "good.json", "--output", "json")
    assert (status, err) == (1, "")
    answer = json.loads(out)
    assert answer["accepted"] is False
    assert answer["issuer"] == {
        "issuer": ISSUER,
        "keys": 1,
        "problem": None,
        "unavailable": False,
    }
    assert answer["token"].keys() == {
        *("defect", "subject", "issuer", "audience", "expires_at", "algorithm", "key_id")
    }
    refused, accepted = answer["verdicts"]
    assert (refused["verifier"], refused["place"]) == ("gcp", "bad.json"), "in the order named"
    assert refused["identity"] == {}
    assert accepted["identity"] == {"name": SUBJECT, "roles": ["a"]}
    assert refused["clauses"][-1] == {
        "name": "subject",
        "outcome": "failed",
        "found": SUBJECT,
        "wanted": "x",
        "answer": {
            "code": "NotYou",
            "message": f"NotYou: {SUBJECT}",
            "http_status": 403,
            "assumed": True,
        },
        "fix": "set x",
        "source": "The plain book, section 4",
        "assumed": False,
    }


def test_what_is_no_token_is_refused(desk: Desk) -> None:
    desk.write("token.jwt", "no token")
    status, _, err = desk.evaluate("--aws", "good.json")
    assert status == 1
    assert err.startswith("token: not a JWT: ")


def test_a_token_can_not_steer_a_terminal(desk: Desk) -> None:
    desk.write("token.jwt", token(sub="\x1b[2J\r\n\u202e", iss=ISSUER))
    status, out, err = desk.evaluate("--aws", "good.json")
    assert status == 1
    assert "[2J" in out
    assert all(c.isprintable() or c == "\n" for c in out + err)


def test_a_token_from_standard_input(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    stream = io.TextIOWrapper(io.BytesIO(desk.token.encode()))
    monkeypatch.setattr("sys.stdin", stream)
    status, _, _ = desk.run("evaluate", "--issuer", "issuer", "--aws", "good.json")
    assert status == 0


def test_what_a_plan_leaves_open_is_not_evaluated(desk: Desk) -> None:
    provider = {
        "address": "aws_iam_openid_connect_provider.spire",
        "type": "aws_iam_openid_connect_provider",
        "values": {"url": ISSUER},
    }
    role = {"address": "aws_iam_role.web", "type": "aws_iam_role", "values": {}}
    unknown = {"after_unknown": {"assume_role_policy": True}}
    desk.write(
        "plan.json",
        {
            "format_version": "1.2",
            "planned_values": {"root_module": {"resources": [provider, role]}},
            "resource_changes": [{"address": "aws_iam_role.web", "change": unknown}],
        },
    )
    reason = "assume_role_policy is known only after the plan was applied"
    status, _, err = desk.evaluate("--terraform", "plan.json", "--aws", "good.json")
    assert status == 0
    assert f"not evaluated: plan.json:aws_iam_role.web: {reason}\n" in err
    _, out, _ = desk.evaluate("--terraform", "plan.json", "--aws", "good.json", "--output", "json")
    assert json.loads(out)["not_evaluated"] == [
        {"place": "plan.json:aws_iam_role.web", "reason": reason}
    ]
    status, _, err = desk.evaluate("--terraform", "plan.json")
    assert status == 2
    assert err.startswith(f"error[TRUST_INVALID]: plan.json:aws_iam_role.web: {reason}")
    status, out, _ = desk.run("lint", "--terraform", "plan.json")
    assert status == 0
    assert "[known-after-apply]" in out


def test_another_time(desk: Desk) -> None:
    _, out, err = desk.evaluate("--aws", "good.json", "--at", "+2h", "--output", "json")
    assert err == ""
    assert json.loads(out)["at"] > time.strftime("%Y-%m-%dT%H:%M", time.gmtime(time.time() + 7000))
    _, _, err = desk.evaluate("--aws", "good.json", "--at", "2100-01-01T00:00:00Z")
    assert err.strip().endswith("ago")


def test_an_issuer_out_of_reach_decides_nothing(desk: Desk) -> None:
    status, out, err = desk.evaluate("--aws", "good.json", issuer="http://127.0.0.1:9")
    assert status == 4
    assert "refused by the clause 'key'" in out
    assert "issuer: http://127.0.0.1:9/.well-known/openid-configuration can't be read" in err
    desk.write("bad.json", trust(issuer="https://other"))
    status, _, _ = desk.evaluate("--aws", "good.json", "bad.json", issuer="http://127.0.0.1:9")
    assert status == 1, "refused, whatever the issuer's documents are"


def test_the_issuer_that_the_token_names(desk: Desk) -> None:
    desk.write("token.jwt", token(iss="http://127.0.0.1:9"))
    desk.write("local.json", trust(issuer="http://127.0.0.1:9"))
    status, _, err = desk.run("evaluate", "--token", "token.jwt", "--aws", "local.json")
    assert status == 4
    assert "issuer: http://127.0.0.1:9/" in err
    desk.write("token.jwt", token(iss="nobody"))
    status, _, err = desk.run("evaluate", "--token", "token.jwt", "--aws", "good.json")
    assert status == 1
    assert "issuer: issuer URL 'nobody' has no host" in err


@pytest.mark.parametrize(
    ("words", "code"),
    [
        ((), "TRUST_INVALID"),
        (("--aws", "absent.json"), "TRUST_INVALID"),
        (("--aws", "issuer"), "TRUST_INVALID"),
        (("--aws", "token.jwt"), "TRUST_INVALID"),
        (("--terraform", "good.json"), "TRUST_INVALID"),
        (("--aws", "good.json", "--issuer", "absent"), "SAVED_ISSUER_INVALID"),
        (("--aws", "good.json", "--issuer", "http://example.org"), "ISSUER_URL_INVALID"),
        (("--aws", "good.json", "--ca-file", "good.json"), "CA_FILE_INVALID"),
        (("--aws", "good.json", "--token", "absent"), "TOKEN_UNREADABLE"),
        (("--aws", "good.json", "--token", "empty"), "TOKEN_UNREADABLE"),
        (("--aws", "good.json", "--spiffe-id", SUBJECT), "TOKEN_UNREADABLE"),
    ],
)
def test_what_can_not_be_asked(desk: Desk, words: tuple[str, ...], code: str) -> None:
    desk.write("empty", "\n")
    status, out, err = desk.evaluate(*words)
    assert (status, out) == (2, "")
    assert err.startswith(f"error[{code}]: ")


def test_lint_says_what_where_and_how(desk: Desk) -> None:
    desk.write("any.json", trust(subject="*", audience=None))
    desk.write("ids.txt", f"{SUBJECT}  # the site\n\nspiffe://example.org/ns/*/db\nno ID\n")
    status, out, err = desk.run(
        *("lint", "--ids", "ids.txt", "--id", SUBJECT, "--aws", "good.json", "any.json")
    )
    assert status == 1
    lines = out.splitlines()
    assert lines[0].startswith("ids.txt:4: error: SPIFFE ID 'no ID' does not start")
    assert lines[0].endswith("[invalid-spiffe-id]")
    assert lines[1].startswith("  fix: ")
    rules = [line[line.rindex("[") :] for line in lines if not line.startswith("  fix: ")]
    assert rules == [
        "[invalid-spiffe-id]",
        "[plain-any-subject]",
        "[audience-not-pinned]",
        "[accepted-by-several]",
    ]
    assert err == "found: 1 errors, 2 warnings, 1 notes\n"


def test_a_description_that_is_none_is_a_finding_to_lint(desk: Desk) -> None:
    desk.write("plan.json", {"format_version": "1.0", "values": {}})
    status, out, _ = desk.run(
        *("lint", "--aws", "token.jwt", "good.json", "--terraform", "good.json", "plan.json")
    )
    assert status == 1
    assert [line for line in out.splitlines() if line.endswith("[invalid-description]")] == [
        "token.jwt: error: it is no plain trust [invalid-description]",
        "good.json: error: this is no plan and no state [invalid-description]",
        "plan.json: error: no resource of it configures trust in an issuer [invalid-description]",
    ]
    status, _, err = desk.run("lint", "--aws", "absent.json")
    assert status == 2
    assert err.startswith("error[TRUST_INVALID]: absent.json can't be read")


def test_lint_with_nothing_to_say(desk: Desk) -> None:
    status, out, err = desk.run("lint", "--aws", "good.json")
    assert (status, out, err) == (0, "", "found: 0 errors, 0 warnings, 0 notes\n")


def test_strict_takes_warnings_for_errors(desk: Desk) -> None:
    desk.write("any.json", trust(subject="*"))
    assert desk.run("lint", "--aws", "any.json")[0] == 0
    assert desk.run("lint", "--aws", "any.json", "--strict")[0] == 1


def test_lint_for_programs(desk: Desk) -> None:
    desk.write("any.json", trust(subject="*"))
    _, out, err = desk.run("lint", "--aws", "any.json", "--output", "json")
    assert err == ""
    assert json.loads(out) == {
        "findings": [
            {
                "rule": "plain-any-subject",
                "severity": "warning",
                "place": "any.json",
                "message": "it accepts every subject of the issuer",
                "fix": "pin the subject",
            }
        ],
        "counts": {"errors": 0, "warnings": 1, "notes": 0},
    }
    _, out, _ = desk.run("lint", "--aws", "any.json", "--output", "sarif")
    (result,) = json.loads(out)["runs"][0]["results"]
    assert result["ruleId"] == "plain-any-subject"


def test_lint_looks_at_the_issuer(desk: Desk) -> None:
    desk.write("issuer/openid-configuration.json", {"issuer": f"{ISSUER}:8443"})
    status, out, _ = desk.run("lint", "--issuer", "issuer", "--aws", "good.json")
    assert status == 1
    assert f"{ISSUER}:8443: error: AWS: the URL must not have a port" in out
    assert "[other-issuer]" in out
    _, out, _ = desk.run("lint", "--issuer", "issuer")
    assert "warning: AWS: the URL must not have a port" in out, "nobody is asked about AWS"


@pytest.mark.parametrize("words", [("--ids", "absent"), ("--ids", "binary")])
def test_lists_that_can_not_be_read(desk: Desk, words: tuple[str, ...]) -> None:
    (desk.folder / "binary").write_bytes(b"\xff\xfe")
    status, out, err = desk.run("lint", *words)
    assert (status, out) == (2, "")
    assert err.startswith("error[SUBJECTS_UNREADABLE]: ")


@pytest.mark.parametrize(
    ("on_terminal", "seconds", "said"),
    [
        (False, 0.5, ""),
        (False, 3.0, "1 of 3 descriptions\n2 of 3 descriptions\n"),
        (True, 0.05, "\r2 of 3 descriptions\r3 of 3 descriptions\r\033[K"),
    ],
)
def test_progress_on_a_terminal_and_in_a_log(
    on_terminal: bool,
    seconds: float,
    said: str,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("sys.stderr.isatty", lambda: on_terminal)
    elapsed = [0.0]
    tell = trust_lint._progress(lambda: elapsed[0])
    for done in (1, 2, 3):
        elapsed[0] += seconds
        tell(done, 3)
    assert capsys.readouterr().err == said


@pytest.mark.parametrize(
    "text", ["", "+", "+2", "2h", "tomorrow", "2026-11-30", "2026-11-30T12:00"]
)
def test_no_times(text: str) -> None:
    with pytest.raises(arguments.argparse.ArgumentTypeError, match="is no time such as"):
        arguments.moment(text)


def test_times() -> None:
    assert arguments.moment("2026-11-30T12:00:00Z") == 1_796_040_000
    assert arguments.moment("2026-11-30T12:00:00+01:00") == 1_796_036_400
    assert 7190 < arguments.moment("+2h") - time.time() <= 7200
