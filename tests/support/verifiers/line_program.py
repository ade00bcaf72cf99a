"""A verifier library in a program of ours: a line of JSON in, a line of JSON out."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from child_process import LOOPBACK, STOP_SECONDS

from verifiers.peer import Reasons, Trusted, Verdict


@dataclass(frozen=True, slots=True)
class LineProgram:
    """A program that is told what to trust by options; `ca_variable` names the CA to a runtime."""

    command: Sequence[str | Path]
    refetches: bool
    reasons: Reasons
    ca_variable: str | None = None

    @contextmanager
    def trusting(self, trusted: Trusted, folder: Path) -> Iterator[RunningProgram]:
        options = {
            "--issuer": trusted.issuer,
            "--audience": trusted.audience,
            "--subject": trusted.subject,
        }
        environment = {"PATH": os.defpath, "HOME": str(folder), "NO_PROXY": LOOPBACK}
        if self.ca_variable is None:
            options["--ca"] = str(trusted.ca)
        else:
            environment[self.ca_variable] = str(trusted.ca)
        log = folder / "program.log"
        with log.open("wb") as errors:
            process = subprocess.Popen(
                [*self.command, *(word for option in options.items() for word in option)],
                env=environment,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                text=True,
            )
        with process:  # whose input ends, and so the program
            try:
                yield RunningProgram(process, log)
            finally:
                _end(process)


@dataclass(frozen=True, slots=True)
class RunningProgram:
    process: subprocess.Popen[str]
    log: Path

    def judge(self, token: str) -> Verdict:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(json.dumps({"token": token}) + "\n")
        self.process.stdin.flush()
        line = self.process.stdout.readline()
        assert line, self.log.read_text(errors="replace")
        answer = json.loads(line)
        return Verdict(answer["accepted"], answer["reason"])


def _end(process: subprocess.Popen[str]) -> None:
    process.terminate()
    try:
        process.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
