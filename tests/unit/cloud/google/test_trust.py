"""Providers as gcloud prints them, and descriptions that Google would not have taken."""

from __future__ import annotations

import json
import sys
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spire_bridge.cloud.google.trust import parse_trust
from spire_bridge.cloud.trust_errors import InvalidTrust

NAME = "projects/1/locations/global/workloadIdentityPools/pool/providers/spire"
PROVIDER: dict[str, Any] = {
    "name": NAME,
    "oidc": {"issuerUri": "https://issuer.example.org", "newMember": 1},
    "attributeMapping": {"google.subject": "assertion.sub"},
    "newMember": {},
}
EMAIL = "web@project.iam.gserviceaccount.com"
URL = (
    "https://iamcredentials.googleapis.com/v1/projects/-/serviceAccounts/"
    f"{EMAIL}:generateAccessToken"
)


def read(value: Any) -> Any:
    return parse_trust(json.dumps(value).encode(), name="p.json")


def test_a_provider_alone() -> None:
    trust = read(PROVIDER)
    assert (trust.provider, trust.issuer, trust.enabled) == (
        NAME, "https://issuer.example.org", True,
    )  # fmt: skip
    assert trust.exchange_audience == f"//iam.googleapis.com/{NAME}"
    assert trust.audiences == (f"//iam.googleapis.com/{NAME}", f"https://iam.googleapis.com/{NAME}")
    assert trust.service_account is None
    assert read({**PROVIDER, "name": f"//iam.googleapis.com/{NAME}"}) == trust


def test_a_provider_with_the_account_behind_it() -> None:
    policy = {"bindings": [{"role": "r", "members": ["m"]}], "etag": "x"}
    config = {"audience": "a", "service_account_impersonation_url": URL}
    trust = read(
        {
            "provider": PROVIDER,
            "serviceAccount": {"email": EMAIL, "uniqueId": "1"},
            "iamPolicy": policy,
            "credentialConfiguration": config,
        }
    )
    assert trust.exchange_audience == "a"
    assert trust.service_account.email == EMAIL
    assert trust.service_account.policy.bindings[0].members == {"m"}


def test_keys_without_an_https_issuer() -> None:
    oidc = {"issuerUri": "spire.internal", "jwksJson": '{"keys": []}'}
    assert read({**PROVIDER, "oidc": oidc}).uploaded_keys is not None
    with pytest.raises(InvalidTrust, match="issuerUri"):
        read({**PROVIDER, "oidc": {"issuerUri": "spire.internal"}})


MANY = {f"attribute.a{number}": "assertion.sub" for number in range(51)}
SUBJECT = PROVIDER["attributeMapping"]
LONG = "'" + "x" * 2_000 + "'"


@pytest.mark.parametrize(
    ("members", "problem"),
    [
        ({"name": None}, "name: is missing"),
        ({"name": 7}, "name: is no string"),
        ({"name": "projects/1/locations/global/workloadIdentityPools/pool"}, "name: is no full"),
        ({"oidc": None}, "oidc: is missing: only OIDC"),
        ({"oidc": []}, "oidc: is no object"),
        ({"oidc": {}}, "oidc.issuerUri: is missing"),
        ({"oidc": {"issuerUri": "http://a"}}, "oidc.issuerUri: is no https URL"),
        ({"oidc": {"issuerUri": "https://["}}, "oidc.issuerUri: is no URL"),
        (
            {"oidc": {"issuerUri": "https://a", "allowedAudiences": ["a"] * 11}},
            "oidc.allowedAudiences: has 11 audiences; 10 are allowed",
        ),
        (
            {"oidc": {"issuerUri": "https://a", "allowedAudiences": ["a" * 257]}},
            "oidc.allowedAudiences: has an audience of more than 256 characters",
        ),
        (
            {"oidc": {"issuerUri": "https://a", "allowedAudiences": [1]}},
            "oidc.allowedAudiences: is no list of strings",
        ),
        ({"disabled": "no"}, "disabled: is neither true nor false"),
        ({"attributeMapping": None}, "attributeMapping: is missing"),
        ({"attributeMapping": {}}, "attributeMapping: has no google.subject"),
        (
            {"attributeMapping": {**SUBJECT, "attribute.A": "assertion.a"}},
            "attributeMapping.attribute.A: is no attribute",
        ),
        (
            {"attributeMapping": {**SUBJECT, "attribute." + "a" * 101: "assertion.a"}},
            "is no attribute",
        ),
        ({"attributeMapping": {**SUBJECT, **MANY}}, "attributeMapping: has more than 50"),
        (
            {"attributeMapping": {**SUBJECT, "attribute.a": "'" + "x" * 2_047 + "'"}},
            "attributeMapping.attribute.a: the expression has 2049 characters; 2048 are",
        ),
        (
            {"attributeMapping": {**SUBJECT, **{f"attribute.{n}": LONG for n in "abcde"}}},
            "attributeMapping: is over 8192 bytes",
        ),
        (
            {"attributeMapping": {"google.subject": "claims.sub == 'a'"}},
            "attributeMapping.google.subject: 'claims' is none of assertion",
        ),
        ({"attributeCondition": "assertion.sub =="}, "attributeCondition: no CEL"),
        ({"attributeCondition": "'" + "x" * 4_095 + "'"}, "4097 characters; 4096 are allowed"),
    ],
)
def test_what_google_would_not_have_taken(members: dict[str, Any], problem: str) -> None:
    with pytest.raises(InvalidTrust) as raised:
        read({**PROVIDER, **members})
    assert raised.value.message.startswith("p.json: ")
    assert problem in raised.value.message


@pytest.mark.parametrize(
    ("members", "problem"),
    [
        ({"provider": 1}, "provider: is no object"),
        ({"iamPolicy": {"bindings": []}}, "iamPolicy: is of no service account"),
        ({"serviceAccount": EMAIL, "iamPolicy": {"bindings": [1]}}, "iamPolicy.bindings: is no"),
        (
            {"serviceAccount": EMAIL, "iamPolicy": {"bindings": [{"role": "r"}, {}]}},
            "iamPolicy.bindings[1].role: is missing",
        ),
        ({"credentialConfiguration": {}}, "credentialConfiguration.audience: is missing"),
        (
            {
                "serviceAccount": "other@project.iam.gserviceaccount.com",
                "credentialConfiguration": {
                    "audience": "a",
                    "service_account_impersonation_url": URL,
                },
            },
            "service_account_impersonation_url: is of web@",
        ),
        (
            {
                "credentialConfiguration": {
                    "audience": "a",
                    "service_account_impersonation_url": "https://x",
                }
            },
            "names no generateAccessToken",
        ),
        (
            {
                "credentialConfiguration": {
                    "audience": "a",
                    "service_account_impersonation_url": URL,
                    "service_account_impersonation": {"token_lifetime_seconds": True},
                }
            },
            "token_lifetime_seconds: is no number",
        ),
    ],
)
def test_what_does_not_fit_the_provider(members: dict[str, Any], problem: str) -> None:
    with pytest.raises(InvalidTrust) as raised:
        read({"provider": PROVIDER, **members})
    assert problem in raised.value.message


def test_the_common_case_needs_no_engine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "cel", None)
    prefix = "assertion.sub.startsWith('spiffe://example.org/')"
    assert read({**PROVIDER, "attributeCondition": prefix}).condition is not None
    with pytest.raises(InvalidTrust, match=r"p\.json: attributeCondition: ") as raised:
        read({**PROVIDER, "attributeCondition": f"{prefix} || assertion.sub == 'a'"})
    assert raised.value.hint == "pip install 'spire-bridge[cel]'"


@pytest.mark.parametrize("data", [b"", b"{", b"[]", b'{"a": 1, "a": 2}', b"\xff", b"[" * 10_000])
def test_what_is_no_json_object(data: bytes) -> None:
    with pytest.raises(InvalidTrust, match=r"^p\.json: "):
        parse_trust(data, name="p.json")


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=6,
)


@given(place=st.sampled_from([*PROVIDER, "attributeCondition", "provider"]), value=JSON)
def test_any_member_is_read_or_refused_with_its_place(place: str, value: Any) -> None:
    try:
        trust = read({**PROVIDER, place: value})
    except InvalidTrust as error:
        problem = error.message
    else:
        problem = f"p.json: {trust.name}"
    assert problem.startswith("p.json: ")
