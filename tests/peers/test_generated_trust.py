"""OpenBao and Kubernetes, configured as generated: who they let in, and what these become."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from described_trust import EXAMPLE, GOLDEN
from forgery.tokens import ec_key, jwk, signed
from verifiers.api_server import ApiServer
from verifiers.http_json import HttpRefusal
from verifiers.openbao import OpenBao

from spire_bridge.cloud.generate.grant import Grant
from spire_bridge.cloud.generate.neighbours import ClaimedToken, meant, neighbours
from spire_bridge.service.settings.trust import Target, load_trust_settings
from spire_bridge.service.trust.generation import render

pytestmark = pytest.mark.timeout(300)  # with the build of Kubernetes' library

KEY = ec_key(7, "P-384")
HEADER = {"alg": "ES384", "kid": "a", "typ": "JWT"}
DESCRIPTIONS = [EXAMPLE, GOLDEN / "hostile.yaml"]


def granted(description: Path, target: Target) -> list[Grant]:
    return render(load_trust_settings(description), [target])[1]


def signed_token(token: ClaimedToken) -> str:
    now = int(time.time())
    claims = {"iss": token.issuer, "sub": token.subject, "aud": [token.audience]}
    return signed(KEY, HEADER, {**claims, "iat": now, "exp": now + 300})


@pytest.mark.parametrize("description", DESCRIPTIONS, ids=lambda path: path.stem)
def test_openbao_lets_in_who_is_meant_and_no_neighbour(openbao: OpenBao, description: Path) -> None:
    mount = f"generated-{description.stem}"
    openbao.mount(mount)
    pem = KEY.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()
    for number, grant in enumerate(granted(description, "vault")):
        trust = json.loads(grant.trust)
        config = {**trust["config"], "jwt_validation_pubkeys": [pem]}
        del config["oidc_discovery_url"], config["jwt_supported_algs"]  # the key is at hand
        role = f"role-{number}"
        openbao.write(f"auth/{mount}/config", config)
        openbao.write(f"auth/{mount}/role/{role}", trust["role"])
        for token in meant(grant):
            login = openbao.login(mount, role, signed_token(token))
            assert set(login["policies"]) == {"default", *trust["role"]["token_policies"]}
        for token in neighbours(grant):
            with pytest.raises(HttpRefusal) as refused:
                openbao.login(mount, role, signed_token(token))
            assert refused.value.status == 400


@dataclass(frozen=True)
class Asked:
    """A configuration as it was generated, and the tokens that come."""

    yaml: str
    tokens: Sequence[str]


@pytest.mark.parametrize("description", DESCRIPTIONS, ids=lambda path: path.stem)
def test_kubernetes_lets_in_who_is_meant_and_no_neighbour(
    api_server: ApiServer, description: Path
) -> None:
    [grant] = granted(description, "kubernetes")
    welcome, strange = list(meant(grant)), list(neighbours(grant))
    tokens = [signed_token(token) for token in (*welcome, *strange)]
    key = jwk(KEY, kid="a", use="sig", alg="ES384")
    [answer] = api_server.judge([Asked(grant.trust.decode(), tokens)], [key])
    assert not answer.problem
    users = list(answer.users)
    for token, user in zip(welcome, users, strict=False):
        assert user["accepted"], f"{token.subject}: {user['reason']}"
        identity = {**user, "groups": user["groups"] or []}
        assert grant.is_meant(identity, token.subject)
    assert [user["accepted"] for user in users[len(welcome) :]] == [False] * len(strange)
