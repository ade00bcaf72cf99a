"""Tokens of Vault's: what is taken from a grant, and what comes back from the cache."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spire_bridge.credentials.vault.token import InvalidVaultToken, VaultToken

AUTH = {
    "client_token": "hvs.secret",
    "accessor": "a1",
    "policies": ["default", "web"],
    "token_policies": ["default", "web"],
    "metadata": {"role": "web"},
    "lease_duration": 3600,
    "renewable": True,
    "entity_id": "e",
    "token_type": "service",
    "orphan": True,
    "mfa_requirement": None,
    "num_uses": 0,
}
NOW = 1_700_000_000

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=8,
)


def token(**changes: Any) -> VaultToken:
    return VaultToken.parse(AUTH | changes, granted_at=NOW)


def test_a_grant() -> None:
    granted = token()
    assert (granted.client_token, granted.accessor) == ("hvs.secret", "a1")
    assert granted.policies == ("default", "web")
    assert granted.expires_at == NOW + 3600
    assert granted.renewable
    assert granted.is_sharable
    assert granted.auth(NOW + 600)["lease_duration"] == 3000
    assert granted.auth(NOW + 9999)["lease_duration"] == 0


def test_the_token_is_in_no_repr() -> None:
    assert "hvs.secret" not in repr(token())


@pytest.mark.parametrize("changes", [{"num_uses": 1}, {"lease_duration": 0}])
def test_what_is_not_to_be_shared(changes: dict[str, Any]) -> None:
    assert not token(**changes).is_sharable


@pytest.mark.parametrize(
    "changes",
    [
        {"client_token": ""},
        {"client_token": None},
        {"client_token": 7},
        {"client_token": "two\nlines"},
        {"client_token": "hvs secret"},
        {"client_token": "hvs.sécret"},
        {"lease_duration": -1},
        {"lease_duration": True},
        {"lease_duration": "3600"},
        {"renewable": 1},
        {"policies": [1]},
        {"policies": "web"},
        {"accessor": {}},
        {"num_uses": 1.5},
        {"mfa_requirement": {"mfa_request_id": "x"}},
    ],
)
def test_what_is_no_grant(changes: dict[str, Any]) -> None:
    with pytest.raises(InvalidVaultToken) as refused:
        token(**changes)
    assert "secret" not in refused.value.diagnostic()


@given(json_values, json_values)
def test_any_answer_is_a_grant_or_an_error(auth: Any, value: Any) -> None:
    for given_auth in (auth, *(AUTH | {name: value} for name in AUTH)):
        try:
            parsed = VaultToken.parse(given_auth, granted_at=NOW)
        except InvalidVaultToken:
            continue
        assert VaultToken.from_json(parsed.to_json()) == parsed


@given(st.text() | json_values.map(json.dumps))
def test_any_text_in_the_cache_is_a_token_or_an_error(text: str) -> None:
    with pytest.raises(InvalidVaultToken):
        VaultToken.from_json(text)
