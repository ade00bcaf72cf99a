"""Trust found in plans and states is what the verifiers take."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spire_bridge.cloud.lint.faultless_token import present
from spire_bridge.cloud.terraform.described import Described, Open
from spire_bridge.cloud.terraform.descriptions import find_descriptions
from spire_bridge.cloud.verifiers import VERIFIERS

ISSUER = "https://issuer.example.org"
WEB, OTHER = "spiffe://example.org/web", "spiffe://example.org/other"
POOL = "projects/123456789012/locations/global/workloadIdentityPools/spire"
AUDIENCE = f"//iam.googleapis.com/{POOL}/providers/spire"

Resources = dict[str, dict[str, Any]]


def plan(resources: Resources, unknown: Resources | None = None) -> bytes:
    """Resources by address, those in modules included."""
    listed = [
        {
            "address": address,
            "mode": "managed",
            "type": address.removeprefix("module.m.").partition(".")[0],
            "values": values,
        }
        for address, values in resources.items()
    ]
    modules = [item for item in listed if item["address"].startswith("module.")]  # type: ignore[attr-defined]
    root = {
        "resources": [item for item in listed if item not in modules],
        "child_modules": [{"address": "module.m", "resources": modules}],
    }
    changes = [
        {"address": address, "change": {"after_unknown": values}}
        for address, values in (unknown or {}).items()
    ]
    document = {
        "format_version": "1.2",
        "planned_values": {"root_module": root},
        "resource_changes": changes,
    }
    return json.dumps(document).encode()


def find(resources: Resources, unknown: Resources | None = None) -> tuple[Described | Open, ...]:
    return find_descriptions(plan(resources, unknown), name="plan.json")


def only(resources: Resources) -> Described:
    (found,) = find(resources)
    assert isinstance(found, Described)
    return found


def accepts(described: Described, subject: str) -> bool:
    """Whether the verifier accepts this subject for the trust, all else being as it wants."""
    verifier = VERIFIERS[described.verifier]
    trust = verifier.rules.parse_trust(described.data, name=described.address)
    expectation = verifier.expectations(trust)[0]
    return verifier.rules.evaluate(present(expectation, subject, 1_800_000_000), trust).accepted


POLICY = {
    "Version": "2012-10-17",
    "Statement": [
        {
            "Effect": "Allow",
            "Action": "sts:AssumeRoleWithWebIdentity",
            "Principal": {
                "Federated": "arn:aws:iam::123456789012:oidc-provider/issuer.example.org"
            },
            "Condition": {
                "StringEquals": {
                    "issuer.example.org:aud": "sts.amazonaws.com",
                    "issuer.example.org:sub": WEB,
                }
            },
        }
    ],
}
AWS: Resources = {
    "module.m.aws_iam_openid_connect_provider.spire": {
        "url": ISSUER,
        "client_id_list": ["sts.amazonaws.com"],
        "thumbprint_list": None,
    },
    "aws_iam_openid_connect_provider.other": {
        "url": f"{ISSUER}/other",
        "client_id_list": ["other"],
    },
    "aws_iam_role.web": {
        "arn": "arn:aws:iam::123456789012:role/web",
        "name": "web",
        "max_session_duration": 3600,
        "assume_role_policy": json.dumps(POLICY),
        "inline_policy": [],
    },
    "aws_iam_role.machine": {
        "assume_role_policy": '{"Statement": [{"Action": "sts:AssumeRole"}]}',
    },
}
GOOGLE: Resources = {
    "google_iam_workload_identity_pool_provider.spire": {
        "name": f"{POOL}/providers/spire",
        "workload_identity_pool_id": "spire",
        "attribute_mapping": {"google.subject": "assertion.sub"},
        "attribute_condition": None,
        "disabled": None,
        "oidc": [{"issuer_uri": ISSUER, "allowed_audiences": [AUDIENCE], "jwks_json": None}],
        "aws": [],
    },
}
ENTRA: Resources = {
    "azuread_application.web": {
        "id": "/applications/1",
        "client_id": "00000000-0000-0000-0000-000000000001",
        "display_name": "web",
    },
    "azuread_application_federated_identity_credential.web": {
        "application_id": "/applications/1",
        "display_name": "web",
        "issuer": ISSUER,
        "subject": WEB,
        "audiences": ["api://AzureADTokenExchange"],
    },
}
VAULT: Resources = {
    "vault_jwt_auth_backend.spire": {
        "path": "spire",
        "oidc_discovery_url": ISSUER,
        "bound_issuer": ISSUER,
        "jwks_url": "",
        "jwt_validation_pubkeys": None,
    },
    "vault_jwt_auth_backend_role.web": {
        "backend": "spire",
        "role_name": "web",
        "role_type": "jwt",
        "user_claim": "sub",
        "bound_audiences": ["vault"],
        "bound_subject": "",
        "bound_claims": {"sub": f"{WEB}, spiffe://example.org/db"},
        "bound_claims_type": "string",
        "token_policies": ["web"],
        "token_bound_cidrs": None,
    },
}


@pytest.mark.parametrize(
    ("resources", "verifier", "address"),
    [
        (AWS, "aws", "aws_iam_role.web"),
        (ENTRA, "azure", "azuread_application.web"),
        (VAULT, "vault", "vault_jwt_auth_backend_role.web"),
    ],
)
def test_what_is_described_is_what_is_accepted(
    resources: Resources, verifier: str, address: str
) -> None:
    found = only(resources)
    assert (found.verifier, found.address) == (verifier, address)
    assert accepts(found, WEB)
    assert not accepts(found, OTHER)


def test_all_of_it_in_one_plan() -> None:
    found = find({**VAULT, **ENTRA, **GOOGLE, **AWS})
    assert [item.verifier for item in found if isinstance(item, Described)] == [
        *("aws", "gcp", "azure", "vault"),
    ]


def test_a_provider_of_google_alone() -> None:
    assert accepts(only(GOOGLE), WEB)
    assert accepts(only(GOOGLE), OTHER)


ACCOUNT = {
    "service_account_id": "projects/p/serviceAccounts/web@p.iam.gserviceaccount.com",
    "role": "roles/iam.workloadIdentityUser",
}
MEMBER = f"principal://iam.googleapis.com/{POOL}/subject/{WEB}"


@pytest.mark.parametrize(
    ("kind", "values"),
    [
        ("member", {**ACCOUNT, "member": MEMBER}),
        ("binding", {**ACCOUNT, "members": [MEMBER, "user:a@example.org"]}),
        (
            "policy",
            {
                "service_account_id": ACCOUNT["service_account_id"],
                "policy_data": json.dumps(
                    {"bindings": [{"role": ACCOUNT["role"], "members": [MEMBER]}]}
                ),
            },
        ),
    ],
)
def test_whoever_may_become_a_service_account(kind: str, values: dict[str, Any]) -> None:
    found = only({**GOOGLE, f"google_service_account_iam_{kind}.web": values})
    assert accepts(found, WEB)
    assert not accepts(found, OTHER)
    stranger = json.loads(json.dumps(values).replace("Pools/spire", "Pools/another"))
    assert accepts(only({**GOOGLE, f"google_service_account_iam_{kind}.web": stranger}), OTHER)


def test_a_credential_of_an_application_that_is_not_there_yet() -> None:
    credential = dict(ENTRA["azuread_application_federated_identity_credential.web"])
    del credential["application_id"]
    found = only({"azuread_application_federated_identity_credential.web": credential})
    assert found.address == "azuread_application_federated_identity_credential.web"
    assert accepts(found, WEB)


def test_what_a_plan_leaves_open_is_said() -> None:
    resources = {**AWS, **GOOGLE, **ENTRA, **VAULT}
    open_ones = {
        "aws_iam_role.web": "assume_role_policy",
        "google_iam_workload_identity_pool_provider.spire": "name",
        "azuread_application_federated_identity_credential.web": "subject",
        "vault_jwt_auth_backend_role.web": "bound_claims",
    }
    known = {
        address: {n: v for n, v in values.items() if n != open_ones.get(address)}
        for address, values in resources.items()
    }
    found = find(known, {address: {name: True} for address, name in open_ones.items()})
    assert {item.address: item.reason.split()[0].strip(",") for item in found} == open_ones  # type: ignore[union-attr]
    assert all(isinstance(item, Open) for item in found)


ATTRIBUTES = sorted({name for r in (AWS, GOOGLE, ENTRA, VAULT) for v in r.values() for name in v})
SCALARS = st.none() | st.booleans() | st.integers() | st.text(max_size=3) | st.just(ISSUER)
ANYTHING = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=3), inner),
    max_leaves=5,
)


@given(
    st.dictionaries(
        st.sampled_from(
            [*AWS, *GOOGLE, *ENTRA, *VAULT]
            + [f"google_service_account_iam_{kind}.a" for kind in ("member", "binding", "policy")]
        ),
        st.dictionaries(st.sampled_from(ATTRIBUTES), ANYTHING),
        max_size=4,
    )
)
def test_attributes_may_be_anything(resources: Resources) -> None:
    for item in find(resources):
        assert item.address in resources
