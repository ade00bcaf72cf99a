"""Variables that make or break the use of a token in a file."""

from __future__ import annotations

import pytest

from spire_bridge.service.doctor.context import Asked, Context
from spire_bridge.service.doctor.finding import Finding, Outcome
from spire_bridge.service.doctor.variables import check_environment

AWS = {"AWS_WEB_IDENTITY_TOKEN_FILE": "/t", "AWS_ROLE_ARN": "arn:aws:iam::1:role/a"}
AZURE = {"AZURE_FEDERATED_TOKEN_FILE": "/t", "AZURE_CLIENT_ID": "a", "AZURE_TENANT_ID": "b"}


def found(environment: dict[str, str]) -> tuple[Finding, ...]:
    return check_environment(Context(Asked(environment=environment)))[1]


def test_a_complete_environment() -> None:
    (finding,) = found({**AWS, **AZURE})
    assert finding.outcome is Outcome.OK
    assert finding.seen == "AWS_WEB_IDENTITY_TOKEN_FILE, AZURE_FEDERATED_TOKEN_FILE"
    (finding,) = found({"AWS_ACCESS_KEY_ID": "a", "AZURE_CLIENT_SECRET": "b"})
    assert finding.outcome is Outcome.SKIP


@pytest.mark.parametrize("variable", ["AWS_ROLE_ARN", "AZURE_CLIENT_ID", "AZURE_TENANT_ID"])
def test_a_variable_without_which_the_token_is_ignored(variable: str) -> None:
    (finding,) = found({**AWS, **AZURE, variable: ""})
    assert (finding.outcome, finding.code) == (Outcome.WARN, "VARIABLE_MISSING")
    assert (finding.about, finding.hints) == (variable, (f"export {variable}=…",))


@pytest.mark.parametrize("variable", ["AWS_ACCESS_KEY_ID", "AZURE_CLIENT_SECRET"])
def test_a_credential_that_clients_prefer(variable: str) -> None:
    (finding,) = found({**AWS, **AZURE, variable: "kept to itself"})
    assert (finding.outcome, finding.code) == (Outcome.WARN, "VARIABLE_PREFERRED")
    assert finding.hints == (f"unset {variable}",)
    assert "kept to itself" not in repr(finding)
