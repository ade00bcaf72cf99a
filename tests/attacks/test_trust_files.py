"""Descriptions of trust that were made to hurt: read, refused with a place, never a traceback."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from spire_bridge.cloud.lint.faultless_token import present
from spire_bridge.cloud.lint.lint import lint
from spire_bridge.cloud.lint.question import Question
from spire_bridge.cloud.verifiers import VERIFIERS
from spire_bridge.service.trust.descriptions import TERRAFORM, TrustFile, read_trust

ISSUER, WEB = "https://issuer.example.org", "spiffe://example.org/web"
PROVIDER = "arn:aws:iam::123456789012:oidc-provider/issuer.example.org"

AWS: dict[str, Any] = {
    "role": {
        "Arn": "arn:aws:iam::123456789012:role/web",
        "MaxSessionDuration": 3600,
        "AssumeRolePolicyDocument": {
            "Version": "2012-10-17",
            "Statement": [
                {
                    "Effect": "Allow",
                    "Principal": {"Federated": PROVIDER},
                    "Action": "sts:AssumeRoleWithWebIdentity",
                    "Condition": {"StringLike": {"issuer.example.org:sub": [WEB]}},
                }
            ],
        },
    },
    "provider": {"Url": ISSUER, "ClientIDList": ["sts.amazonaws.com"]},
}
SAMPLES: dict[str, dict[str, Any]] = {
    "aws": AWS,
    "gcp": {
        "name": "projects/1/locations/global/workloadIdentityPools/p/providers/x",
        "oidc": {"issuerUri": ISSUER, "allowedAudiences": ["a"]},
        "attributeMapping": {"google.subject": "assertion.sub"},
        "attributeCondition": f"assertion.sub == '{WEB}'",
    },
    "azure": {"name": "web", "issuer": ISSUER, "subject": WEB, "audiences": ["a"]},
    "vault": {
        "role": {
            "role_type": "jwt",
            "user_claim": "sub",
            "bound_audiences": ["a"],
            "bound_claims": {"sub": [WEB]},
        },
        "config": {"oidc_discovery_url": ISSUER, "bound_issuer": ISSUER},
        "role_name": "web",
    },
    "kubernetes": {
        "apiVersion": "apiserver.config.k8s.io/v1",
        "kind": "AuthenticationConfiguration",
        "jwt": [
            {
                "issuer": {"url": ISSUER, "audiences": ["a"]},
                "claimMappings": {"username": {"claim": "sub", "prefix": ""}},
            }
        ],
    },
    TERRAFORM: {
        "format_version": "1.2",
        "values": {
            "root_module": {
                "resources": [
                    {
                        "address": "aws_iam_role.web",
                        "type": "aws_iam_role",
                        "values": {
                            "assume_role_policy": json.dumps(
                                AWS["role"]["AssumeRolePolicyDocument"]
                            )
                        },
                    }
                ]
            }
        },
    },
}
HOSTILE = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(max_size=5),
    st.just([]),
    st.just({}),
    st.just("*" * 50),
    st.just("a" * 5000),
    st.just([[[{}]]]),
)


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Every place in a document, by the steps that lead to it."""
    if not isinstance(value, dict | list):
        return [path]
    items = value.items() if isinstance(value, dict) else enumerate(value)
    return [path, *(p for step, item in items for p in places(item, (*path, step)))]


def with_change(sample: Any, path: tuple[Any, ...], value: Any) -> Any:
    if not path:
        return value
    changed = copy.deepcopy(sample)
    inner = changed
    for step in path[:-1]:
        inner = inner[step]
    inner[path[-1]] = value
    return changed


def survives(kind: str, data: bytes, file: Path) -> None:
    """Reads, lints and evaluates what the file describes, or is told what is wrong with it."""
    file.write_bytes(data)
    trust = read_trust([TrustFile(kind, file)])
    for error in trust.invalid:
        assert error.message.startswith(str(file)), error.message
        assert "\n" not in error.message
    list(lint(Question(trust.descriptions, {WEB: "ids:1"}, ISSUER, 1_800_000_000)))
    for description in trust.descriptions:
        for expectation in description.verifier.expectations(description.trust):
            rules = description.verifier.rules
            rules.evaluate(present(expectation, WEB, 1_800_000_000), description.trust)


same_folder = settings(suppress_health_check=[HealthCheck.function_scoped_fixture])


def test_there_is_a_sample_for_each() -> None:
    tokens = {v.key for v in VERIFIERS.values() if not v.takes_certificates}
    assert SAMPLES.keys() == tokens | {TERRAFORM}


@pytest.mark.parametrize("kind", SAMPLES)
def test_the_samples_are_good(kind: str, tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_text(json.dumps(SAMPLES[kind]))
    trust = read_trust([TrustFile(kind, file)])
    assert (trust.invalid, len(trust.descriptions)) == ((), 1)


@pytest.mark.parametrize("kind", SAMPLES)
@same_folder
@given(data=st.data())
def test_any_value_in_any_place(kind: str, tmp_path: Path, data: st.DataObject) -> None:
    path = data.draw(st.sampled_from(places(SAMPLES[kind])))
    changed = with_change(SAMPLES[kind], path, data.draw(HOSTILE))
    survives(kind, json.dumps(changed).encode(), tmp_path / "file")


@pytest.mark.parametrize("kind", SAMPLES)
@same_folder
@given(data=st.data())
def test_half_a_file(kind: str, tmp_path: Path, data: st.DataObject) -> None:
    whole = json.dumps(SAMPLES[kind]).encode()
    cut = data.draw(st.integers(0, len(whole) - 1))
    survives(kind, whole[:cut] + data.draw(st.binary(max_size=3)), tmp_path / "file")


@pytest.mark.parametrize("kind", SAMPLES)
@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\xff\xfe",
        b"\x00" * 1000,
        b"[" * 100_000,
        b'{"a":' * 100_000,
        b"null",
        b'{"Statement": 1e999}',
        b"a: &a [*a]\n",
        b"a: &a [x, x, x]\nb: &b [*a, *a, *a]\nc: [*b, *b, *b]\n" * 3,
        b'"' + b"a" * 2_000_000 + b'"',
    ],
)
def test_files_that_are_none_of_it(kind: str, data: bytes, tmp_path: Path) -> None:
    survives(kind, data, tmp_path / "file")
    file = tmp_path / "file"
    assert read_trust([TrustFile(kind, file)]).descriptions == ()
