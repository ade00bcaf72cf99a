"""The parameters of AssumeRoleWithWebIdentity, as STS' own validation reads them."""

from __future__ import annotations

import re
from collections.abc import Iterator

from spire_bridge.cloud.aws.limits import (
    MAX_ROLE_ARN_CHARACTERS,
    MAX_SESSION_NAME_CHARACTERS,
    MAX_SESSION_POLICY_CHARACTERS,
    MAX_SESSION_SECONDS,
    MAX_TOKEN_CHARACTERS,
    MIN_ROLE_ARN_CHARACTERS,
    MIN_SESSION_NAME_CHARACTERS,
    MIN_SESSION_SECONDS,
    MIN_TOKEN_CHARACTERS,
)

_SESSION_NAME = re.compile(r"[\w+=,.@-]*", re.ASCII)


def parameter_faults(
    *, role_arn: str, session_name: str, duration_seconds: int, policy: str
) -> Iterator[str]:
    """What is wrong with the parameters, each in STS' words; an empty `role_arn` is not asked."""
    yield from _pattern("roleSessionName", session_name)
    name_lengths = MIN_SESSION_NAME_CHARACTERS, MAX_SESSION_NAME_CHARACTERS
    yield from _length("roleSessionName", session_name, *name_lengths)
    if role_arn:
        lengths = MIN_ROLE_ARN_CHARACTERS, MAX_ROLE_ARN_CHARACTERS
        yield from _length("roleArn", role_arn, *lengths)
    yield from _range(duration_seconds)
    yield from _length("policy", policy, 0, MAX_SESSION_POLICY_CHARACTERS)


def token_fault(characters: int) -> str:
    """What is wrong with the length of a token; the token itself stands in no message of ours."""
    constraint = "Value at 'webIdentityToken' failed to satisfy constraint: Member must have length"
    if characters < MIN_TOKEN_CHARACTERS:
        return f"{constraint} greater than or equal to {MIN_TOKEN_CHARACTERS}"
    if characters > MAX_TOKEN_CHARACTERS:
        return f"{constraint} less than or equal to {MAX_TOKEN_CHARACTERS}"
    return ""


def validation_error(constraints: tuple[str, ...]) -> str:
    """STS' message for these faults."""
    count = len(constraints)
    noun = "error" if count == 1 else "errors"
    return f"{count} validation {noun} detected: {'; '.join(constraints)}"


def _pattern(name: str, value: str) -> Iterator[str]:
    if not _SESSION_NAME.fullmatch(value):
        yield _fault(name, value, r"satisfy regular expression pattern: [\w+=,.@-]*")


def _length(name: str, value: str, least: int, most: int) -> Iterator[str]:
    if len(value) < least:
        yield _fault(name, value, f"have length greater than or equal to {least}")
    if len(value) > most:
        yield _fault(name, value, f"have length less than or equal to {most}")


def _range(seconds: int) -> Iterator[str]:
    if seconds < MIN_SESSION_SECONDS:
        constraint = f"have value greater than or equal to {MIN_SESSION_SECONDS}"
        yield _fault("durationSeconds", str(seconds), constraint)
    if seconds > MAX_SESSION_SECONDS:
        constraint = f"have value less than or equal to {MAX_SESSION_SECONDS}"
        yield _fault("durationSeconds", str(seconds), constraint)


def _fault(name: str, value: str, constraint: str) -> str:
    return f"Value '{value}' at '{name}' failed to satisfy constraint: Member must {constraint}"
