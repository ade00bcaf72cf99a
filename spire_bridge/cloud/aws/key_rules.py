"""How STS finds the key of a token, and what it makes of the signature."""

from __future__ import annotations

from collections.abc import Iterator

from spire_bridge.cloud.aws.case import (
    CAPTURED,
    ERRORS,
    GUIDE,
    NO_KEY,
    NOT_VALIDATED,
    PASSED,
    Case,
)
from spire_bridge.cloud.aws.limits import ALGORITHMS, MAX_KEYS_OF_A_KIND
from spire_bridge.cloud.presented_token import shown
from spire_bridge.cloud.rule import Check, Refusal, Rule

_UNREACHABLE = Refusal(
    "IDPCommunicationError",
    "The request could not be fulfilled because the identity provider (IDP) that was asked to"
    " verify the incoming identity token could not be reached.",
    assumed=True,
)


_ALGORITHMS = ", ".join(sorted(ALGORITHMS))


def _documents(case: Case) -> Check:
    problem = case.presentation.documents.problem
    if not problem:
        return PASSED
    fix = "let AWS reach the issuer's discovery document and key set over https within 5 seconds"
    return Check(shown(problem), "a discovery document and a key set", _UNREACHABLE, fix)


def _algorithm(case: Case) -> Check:
    algorithm = case.algorithm
    if algorithm in ALGORITHMS:
        return Check(algorithm, _ALGORITHMS)
    refusal = Refusal(NOT_VALIDATED.code, NOT_VALIDATED.message, assumed=True)
    return Check(shown(algorithm), _ALGORITHMS, refusal, "have SPIRE sign with RS256 or ES256")


def _count(case: Case) -> Check:
    keys, kind = case.presentation.documents.keys, case.kind
    if len(keys) <= MAX_KEYS_OF_A_KIND:
        return PASSED
    count = sum(key.get("kty") == kind for key in keys)
    found, wanted = f"{count} {kind} keys", f"at most {MAX_KEYS_OF_A_KIND}"
    if count <= MAX_KEYS_OF_A_KIND:
        return Check(found, wanted)
    fix = "publish fewer keys: let revoked and expired ones go, or give each cluster an issuer"
    return Check(found, wanted, NO_KEY, fix)


def _key(case: Case) -> Check:
    key_id = case.presentation.token.key_id
    found = f"kid {shown(key_id)}" if key_id else "no kid"
    if case.key is not None:
        return Check(found, "a signing key of the issuer")
    fix = "publish the key before SPIRE signs with it, with kid, use sig and its public numbers"
    return Check(found, f"an {case.kind} signing key in the key set", NO_KEY, fix)


def _signature(case: Case) -> Check:
    key = case.key
    assert key is not None
    if "key_ops" in key:
        fix = "publish the key without key_ops, which AWS does not take"
        return Check(f"key_ops {shown(key['key_ops'])}", "no key_ops", NOT_VALIDATED, fix)
    if case.presentation.is_signed_with(case.presentation.token, key):
        return Check("valid", "valid")
    fix = "compare the key set with SPIRE's bundle: another key stands there under this kid"
    return Check("it does not verify", "a signature by that key", NOT_VALIDATED, fix)


def rules() -> Iterator[Rule[Case]]:
    """The rules of this module, in STS' order."""
    yield Rule("issuer's documents", ERRORS, _documents)
    yield Rule("algorithm", CAPTURED, _algorithm)
    yield Rule("number of keys", f"{GUIDE}: OIDC providers, JSON Web Key Set quotas", _count)
    yield Rule("signing key", CAPTURED, _key)
    yield Rule("signature", CAPTURED, _signature)
