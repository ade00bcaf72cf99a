"""Kubernetes' OIDC authentication as a child process (tests/peers/go/authentication)."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

ANSWER_SECONDS = 50.0


@dataclass(frozen=True, slots=True)
class Question:
    """An AuthenticationConfiguration, and the tokens that come to its API server."""

    configuration: Mapping[str, Any]
    tokens: Sequence[str] = ()

    @property
    def yaml(self) -> str:
        """In JSON, in which nothing needs a quoting of its own."""
        return json.dumps(self.configuration, indent=1)


@dataclass(frozen=True, slots=True)
class Answer:
    """Why the configuration is refused, or who each token's bearer is."""

    problem: str
    users: Sequence[Mapping[str, Any]] = field(default=())


@dataclass(frozen=True, slots=True)
class ApiServer:
    program: Path

    def judge(
        self, questions: Sequence[Question], keys: Sequence[Mapping[str, Any]]
    ) -> list[Answer]:
        """One answer for each; `keys` are the JWKs that every issuer serves."""
        lines = [
            {"configuration": asked.yaml, "keys": {"keys": keys}, "tokens": asked.tokens}
            for asked in questions
        ]
        ended = subprocess.run(
            [self.program],
            input="".join(json.dumps(line) + "\n" for line in lines),
            env={"PATH": os.defpath},
            capture_output=True,
            text=True,
            timeout=ANSWER_SECONDS,
        )
        assert ended.returncode == 0, ended.stderr[-2000:]
        answers = [json.loads(line) for line in ended.stdout.splitlines()]
        return [Answer(answer["problem"], answer["users"] or ()) for answer in answers]
