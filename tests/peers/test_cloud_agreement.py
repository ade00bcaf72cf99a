"""The models of Vault, OpenBao and Kubernetes say what the real ones say, of drawn tokens."""

from __future__ import annotations

import json
import random
import re
import threading
import time
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, ClassVar

import pytest
from child_process import LOOPBACK
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from forgery.tokens import PrivateKey, ec_key, jwk_set, rsa_key
from verifiers.api_server import ApiServer, Question
from verifiers.drawn_configurations import broken_configurations, configuration, of_entries
from verifiers.drawn_roles import role
from verifiers.drawn_tokens import AUDIENCE, ISSUER, KEYS, WEB, Claims, Draw, signed
from verifiers.http_json import HttpRefusal
from verifiers.openbao import OpenBao

from spire_bridge.cloud.issuer_documents import IssuerDocuments
from spire_bridge.cloud.kubernetes import oidc as kubernetes
from spire_bridge.cloud.kubernetes.configuration import JwtAuthenticator
from spire_bridge.cloud.kubernetes.oidc import KubernetesTrust
from spire_bridge.cloud.presentation import Presentation
from spire_bridge.cloud.presented_token import PresentedToken
from spire_bridge.cloud.rule import Verdict
from spire_bridge.cloud.trust_errors import InvalidTrust
from spire_bridge.cloud.vault import jwt_auth as vault
from spire_bridge.cloud.vault.jwt_auth import VaultTrust

pytestmark = pytest.mark.timeout(300)  # with the build of Kubernetes' library

SEED = 5
DESCRIPTIONS = 120
TOKENS_EACH = 8
OFTEN = 3

JWKS = jwk_set(*KEYS)

# Where our words need not equal the real ones, and why. Verdicts have no exception.
WORDS_OF_ITS_OWN: tuple[tuple[Callable[[PresentedToken, str], bool], str], ...] = (
    (
        lambda token, _: token.jws is None,
        "whatever is no JWT is read by our own strict reader, which words it in its own way",
    ),
    (
        lambda _, said: "resulted in error: " in said,
        "CEL engines word their errors in their own ways: up to there the words are equal",
    ),
)


# Clauses that no draw decides, and why.
UNDECIDED = {
    "role": "a role that is not there has a test of its own",
    "bound addresses": "it is said that it is not evaluated",
    "issuer's keys": "OpenBao stores no mount whose discovery fails",
    "discovery": "the keys are at hand",
}

# What Kubernetes refuses to load and the model does not, and why.
LOADED_BY_THE_MODEL = (
    ("[claims.team, '']", "no types are inferred: a list of `any` and `string` is one of strings"),
    ("1 + 'a'", "no types are inferred: it is an error for every token instead"),
)


class KeySetHandler(BaseHTTPRequestHandler):
    changed: ClassVar[bytes] = JWKS  # what a test makes of the keys

    def do_GET(self) -> None:
        base = f"http://{self.headers['host']}"
        discovery = json.dumps({"issuer": base, "jwks_uri": f"{base}/keys"}).encode()
        body = {"/keys": JWKS, "/changed": self.changed}.get(self.path, discovery)
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        """Says nothing."""


@pytest.fixture(scope="module")
def issuer_url() -> Iterator[str]:
    """Where the keys are; tokens name another issuer, as a JWKS URL allows."""
    with ThreadingHTTPServer((LOOPBACK, 0), KeySetHandler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://{LOOPBACK}:{server.server_port}"
        server.shutdown()
        thread.join()


def test_openbao_says_what_the_model_says(openbao: OpenBao, issuer_url: str) -> None:
    draw = Draw(random.Random(SEED), int(time.time()), (_almost_registered,))
    documents = IssuerDocuments.read(json.dumps({"issuer": issuer_url}).encode(), JWKS)
    mounts = _mounts(openbao, issuer_url)
    clauses: Counter[str] = Counter()
    verdict = None
    differences: list[str] = []
    for number in range(DESCRIPTIONS):
        mount = draw.any(*mounts)
        name, written = f"role-{number}", role(draw)
        openbao.write(f"auth/{mount}/role/{name}", written)
        trust = _described(openbao, mount, name)
        for _ in range(TOKENS_EACH):
            token = draw.token()
            shown = Presentation(PresentedToken.read(token), documents, time.time())
            verdict = vault.evaluate(shown, trust)
            clauses[_clause(verdict)] += 1
            difference = _from_openbao(openbao, mount, name, token, shown, trust, verdict)
            if difference:
                differences.append(f"{difference}\n  role {written}\n  claims {_claims(shown)}")
    assert not differences, "\n".join(differences)
    _every_clause_decided(clauses, verdict)


def _almost_registered(claims: Claims, draw: Draw) -> None:
    """A name that Kubernetes' decoder would take for the registered one; the model does not."""
    claims[draw.any("EXP", "\u017fub", "Team")] = 5


def _mounts(openbao: OpenBao, issuer_url: str) -> list[str]:
    pem = [_pem(rsa_key("agreement")), _pem(ec_key(7))]
    configs: dict[str, dict[str, Any]] = {
        "agreed-static": {"jwt_validation_pubkeys": pem, "bound_issuer": ISSUER},
        "agreed-jwks": {"jwks_url": f"{issuer_url}/keys", "bound_issuer": ISSUER},
        "agreed-rsa": {"jwks_url": f"{issuer_url}/keys", "jwt_supported_algs": ["RS256"]},
        "agreed-discovery": {"oidc_discovery_url": issuer_url},
    }
    for name, config in configs.items():
        openbao.mount(name)
        openbao.write(f"auth/{name}/config", config)
    return list(configs)


def _pem(key: PrivateKey) -> str:
    public = key.public_key()
    return public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()


def _described(openbao: OpenBao, mount: str, name: str) -> VaultTrust:
    """As an operator would save it."""
    described = {
        "role_name": name,
        "config": {"data": openbao.read(f"auth/{mount}/config", token=openbao.root_token)},
        "role": {"data": openbao.read(f"auth/{mount}/role/{name}", token=openbao.root_token)},
    }
    return vault.parse_trust(json.dumps(described).encode(), name=name)


def _from_openbao(
    openbao: OpenBao,
    mount: str,
    name: str,
    token: str,
    shown: Presentation,
    trust: VaultTrust,
    verdict: Verdict,
) -> str:
    """How OpenBao's answer differs; empty if it does not."""
    try:
        login = openbao.login(mount, name, token)
    except HttpRefusal as refusal:
        said = json.loads(str(refusal).partition(" ")[2])["errors"][0]
        if verdict.refusal is not None and verdict.refusal.status != refusal.status:
            return f"it says {refusal}; the model: {verdict.refusal}"
        return _refusal_differs(said, shown, verdict, _any_bound_claim(shown, trust))
    if not verdict.accepted:
        return f"OpenBao accepts; the model: {verdict.refusal}"
    real = {"metadata": login["metadata"], "policies": login["policies"] or []}
    ours = {key: verdict.identity[key] for key in real}
    return "" if ours == real else f"OpenBao: {real}; the model: {ours}"


def _any_bound_claim(shown: Presentation, trust: VaultTrust) -> set[str]:
    """The words for each bound claim alone: the real one looks at them in any order."""
    assert trust.role is not None
    alone = [{claim: wanted} for claim, wanted in trust.role.bound_claims.items()]
    verdicts = (
        vault.evaluate(shown, replace(trust, role=replace(trust.role, bound_claims=bound)))
        for bound in alone
    )
    return {verdict.refusal.message for verdict in verdicts if verdict.refusal is not None}


def _refusal_differs(
    said: str, shown: Presentation, verdict: Verdict, also_right: Collection[str] = ()
) -> str:
    if verdict.refusal is None:
        return f"it refuses: {said}; the model accepts: {verdict.identity}"
    ours = verdict.refusal.message
    before = said.partition("resulted in error: ")[0]
    excepted = any(applies(shown.token, said) for applies, _reason in WORDS_OF_ITS_OWN)
    if ours == said or said in also_right:
        return ""
    if excepted and (shown.token.jws is None or ours.startswith(before)):
        return ""
    return f"it says: {said}; the model: {ours}"


def test_kubernetes_says_what_the_model_says(api_server: ApiServer) -> None:
    draw = Draw(random.Random(SEED), int(time.time()))
    documents = {
        url: IssuerDocuments.read(json.dumps({"issuer": url}).encode(), JWKS)
        for url in (ISSUER, f"{ISSUER}/", "https://other.test", "")
    }
    questions = [
        Question(configuration(draw), [draw.token() for _ in range(TOKENS_EACH)])
        for _ in range(DESCRIPTIONS)
    ]
    answers = api_server.judge(questions, KEYS)
    clauses: Counter[str] = Counter()
    verdict = None
    differences: list[str] = []
    for asked, answer in zip(questions, answers, strict=True):
        assert not answer.problem
        trust = kubernetes.parse_trust(asked.yaml.encode(), name="authentication.yaml")
        for token, user in zip(asked.tokens, answer.users, strict=True):
            read = PresentedToken.read(token)
            issuer = documents.get(read.text("iss") or "", documents[""])
            shown = Presentation(read, issuer, float(draw.now))
            verdict = kubernetes.evaluate(shown, trust)
            clauses[_clause(verdict)] += 1
            if difference := _from_kubernetes(user, shown, trust, verdict):
                differences.append(f"{difference}\n{asked.yaml}\n  claims {_claims(shown)}")
    assert not differences, "\n".join(differences)
    _every_clause_decided(clauses, verdict)


def _from_kubernetes(
    user: Mapping[str, Any], shown: Presentation, trust: KubernetesTrust, verdict: Verdict
) -> str:
    if not user["accepted"]:
        # The moment of asking differs.
        now = time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime(shown.now)) + " +0000 UTC"
        said = re.sub(r"time \S+ \S+ .* before the", f"time {now} before the", user["reason"])
        return _refusal_differs(said, shown, verdict, _any_required_claim(shown, trust))
    if not verdict.accepted:
        return f"Kubernetes accepts {user}; the model: {verdict.refusal}"
    real = {
        "username": user["username"],
        "groups": user["groups"] or [],
        "uid": user["uid"],
        "extra": user["extra"] or {},
    }
    ours_too = dict(verdict.identity)
    return "" if ours_too == real else f"Kubernetes: {real}; the model: {ours_too}"


def _any_required_claim(shown: Presentation, trust: KubernetesTrust) -> set[str]:
    """The words for each required claim alone: the real one looks at them in any order."""
    names = {name for entry in trust.authenticators for name in entry.required_claims}
    verdicts = (
        kubernetes.evaluate(shown, replace(trust, authenticators=_requiring(trust, name)))
        for name in names
    )
    return {verdict.refusal.message for verdict in verdicts if verdict.refusal is not None}


def _requiring(trust: KubernetesTrust, name: str) -> tuple[JwtAuthenticator, ...]:
    return tuple(
        replace(
            entry,
            required_claims={n: v for n, v in entry.required_claims.items() if n == name},
        )
        for entry in trust.authenticators
    )


STRANGE_KEYS: tuple[dict[str, str], ...] = (
    {"kty": "NEW"},
    {"kty": "OKP", "crv": "X25519"},
    {"kty": "EC", "crv": "P-192"},
    {"kid": "x"},
)


@pytest.mark.parametrize("strange", STRANGE_KEYS)
def test_one_strange_key_spoils_the_key_set_for_openbao(
    openbao: OpenBao, issuer_url: str, monkeypatch: pytest.MonkeyPatch, strange: dict[str, str]
) -> None:
    mount = f"agreed-strange-{STRANGE_KEYS.index(strange)}"
    method = openbao.mount(mount)
    openbao.write(f"auth/{mount}/config", {"jwks_url": f"{issuer_url}/changed"})
    method.add_role("web", bound_audiences=[AUDIENCE])
    now = int(time.time())
    token = signed({"iss": ISSUER, "sub": WEB, "aud": AUDIENCE, "iat": now, "exp": now + 300})
    monkeypatch.setattr(KeySetHandler, "changed", jwk_set(*KEYS, strange))
    with pytest.raises(HttpRefusal) as refused:
        method.login("web", token)
    documents = IssuerDocuments.read(b"{}", KeySetHandler.changed)
    shown = Presentation(PresentedToken.read(token), documents, now)
    verdict = vault.evaluate(shown, _described(openbao, mount, "web"))
    assert verdict.refusal is not None
    said = json.loads(str(refused.value).partition(" ")[2])["errors"][0]
    assert said.startswith(verdict.refusal.message)
    monkeypatch.undo()
    method.login("web", token)


@pytest.mark.parametrize("strange", STRANGE_KEYS)
def test_one_strange_key_spoils_the_key_set_for_kubernetes(
    api_server: ApiServer, strange: dict[str, str]
) -> None:
    now = int(time.time())
    entry = {
        "issuer": {"url": ISSUER, "audiences": [AUDIENCE]},
        "claimMappings": {"username": {"claim": "sub", "prefix": ""}},
    }
    token = signed({"iss": ISSUER, "sub": WEB, "aud": AUDIENCE, "exp": now + 300})
    asked = Question(of_entries(entry), [token])
    trust = kubernetes.parse_trust(asked.yaml.encode(), name="authentication.yaml")
    for keys in (KEYS, (*KEYS, strange)):
        (answer,) = api_server.judge([asked], keys)
        discovery = json.dumps({"issuer": ISSUER}).encode()
        documents = IssuerDocuments.read(discovery, jwk_set(*keys))
        shown = Presentation(PresentedToken.read(token), documents, now)
        verdict = kubernetes.evaluate(shown, trust)
        assert verdict.accepted == answer.users[0]["accepted"] == (keys is KEYS)
        if verdict.refusal is not None:
            assert answer.users[0]["reason"].startswith(verdict.refusal.message)


def test_kubernetes_refuses_the_configurations_that_the_model_refuses(
    api_server: ApiServer,
) -> None:
    questions = [Question(broken) for broken in broken_configurations()]
    for asked, answer in zip(questions, api_server.judge(questions, KEYS), strict=True):
        assert answer.problem, asked.yaml
        with pytest.raises(InvalidTrust) as refused:
            kubernetes.parse_trust(asked.yaml.encode(), name="file")
        assert _same_problem(refused.value.message.removeprefix("file: "), answer.problem)


def _same_problem(ours: str, said: str) -> bool:
    """The same place, and the same words where they are not the engine's or the decoder's."""
    place = ours.partition(": ")[0]
    if "compilation failed" in said:
        return said.startswith(f"{place}: Invalid value: ")
    if place == "kind":
        return said.startswith("no kind ")
    return ours in said


def _clause(verdict: Verdict) -> str:
    return verdict.failed.name if verdict.failed is not None else "accepted"


def _claims(shown: Presentation) -> str:
    return json.dumps({"header": shown.token.header, **shown.token.claims}, default=str)


def _every_clause_decided(clauses: Counter[str], verdict: Verdict | None) -> None:
    """So that agreement means something; any verdict of the verifier names its clauses."""
    assert verdict is not None
    assert clauses.total() >= 300
    assert clauses["accepted"] >= 50, clauses
    names = {clause.name for clause in verdict.clauses} - UNDECIDED.keys()
    assert all(clauses[name] >= OFTEN for name in names), (clauses, names - clauses.keys())


def test_openbao_has_no_such_role(openbao: OpenBao) -> None:
    method = openbao.mount("agreed-empty")
    openbao.write("auth/agreed-empty/config", {"jwt_validation_pubkeys": [_pem(ec_key(7))]})
    for role_name in ("gone", ""):
        with pytest.raises(HttpRefusal) as refused:
            method.login(role_name, "x")
        described = {"role_name": role_name, "role": None, "config": {"jwks_url": "https://x.test"}}
        trust = vault.parse_trust(json.dumps(described).encode(), name="role.json")
        documents = IssuerDocuments.read(b"{}", JWKS)
        verdict = vault.evaluate(Presentation(PresentedToken.read("x"), documents, 0), trust)
        assert verdict.refusal is not None
        assert json.dumps(verdict.refusal.message) in str(refused.value)


def test_types_are_what_only_kubernetes_infers(api_server: ApiServer) -> None:
    entry = {
        "issuer": {"url": ISSUER, "audiences": ["x"]},
        "claimMappings": {"username": {"claim": "sub", "prefix": ""}},
    }
    for expression, _reason in LOADED_BY_THE_MODEL:
        mappings = {**entry["claimMappings"], "groups": {"expression": expression}}
        asked = Question(of_entries({**entry, "claimMappings": mappings}))
        (answer,) = api_server.judge([asked], KEYS)
        assert "compilation failed" in answer.problem
        assert kubernetes.parse_trust(asked.yaml.encode(), name="file").authenticators
