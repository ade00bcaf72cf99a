"""CreateSession of IAM Roles Anywhere: every answer, and every rule failed alone."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID
from forgery.tokens import ec_key, rsa_key
from hypothesis import given
from hypothesis import strategies as st

from spire_bridge.cloud.aws.roles_anywhere import (
    RULES,
    TITLE,
    PresentedChain,
    RolesAnywhereTrust,
    SessionRequest,
    evaluate,
    parse_trust,
)
from spire_bridge.cloud.rule import Outcome, Refusal, Verdict
from spire_bridge.cloud.trust_errors import InvalidTrust
from spire_bridge.sandbox.trust_domain import SandboxTrustDomain

ROLE_ARN = "arn:aws:iam::123456789012:role/payments"
ANCHOR_ARN = "arn:aws:rolesanywhere:eu-central-1:123456789012:trust-anchor/1"
PROFILE_ARN = "arn:aws:rolesanywhere:eu-central-1:123456789012:profile/1"
SPIFFE_ID = "spiffe://example.org/ns/payments/sa/api"
NOW = datetime(2026, 9, 11, 12, tzinfo=UTC)
AT = NOW.timestamp()
DAY = timedelta(days=1)

ROOT_KEY, MIDDLE_KEY, LEAF_KEY = ec_key(21), ec_key(22), ec_key(23)
OTHER_KEY = rsa_key("another anchor")
ROOT = x509.Name([x509.NameAttribute(NameOID.ORGANIZATION_NAME, "SPIRE")])
MIDDLE = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "middle")])
NO_USAGE = dict.fromkeys(
    (
        "content_commitment",
        "key_encipherment",
        "data_encipherment",
        "key_agreement",
        "crl_sign",
        "encipher_only",
        "decipher_only",
    ),
    False,
)


def subject(**more: str) -> x509.Name:
    names = {"ORGANIZATION_NAME": "SPIRE", "COMMON_NAME": "api", **more}
    return x509.Name([x509.NameAttribute(getattr(NameOID, k), v) for k, v in names.items() if v])


API = subject()


@dataclass(frozen=True)
class Made:
    """How a certificate is made; the defaults are a good leaf's."""

    name: x509.Name = API
    issuer: x509.Name = ROOT
    key: Any = LEAF_KEY
    signer: Any = ROOT_KEY
    ca: bool = False
    path_length: int | None = None
    signs: bool = False
    digital_signature: bool = True
    start: datetime = NOW - DAY
    end: datetime = NOW + DAY
    uri: str = SPIFFE_ID

    def certificate(self) -> x509.Certificate:
        usage = x509.KeyUsage(
            digital_signature=self.digital_signature, key_cert_sign=self.signs, **NO_USAGE
        )
        names: list[x509.GeneralName] = [x509.UniformResourceIdentifier(self.uri)]
        if not self.ca:
            names.append(x509.DNSName("api.example.org"))
            names.append(x509.DirectoryName(subject(COMMON_NAME="inner")))
        builder = (
            x509.CertificateBuilder(self.issuer, self.name)
            .public_key(self.key.public_key())
            .serial_number(0xC0FFEE)
            .not_valid_before(self.start)
            .not_valid_after(self.end)
            .add_extension(x509.BasicConstraints(self.ca, self.path_length), critical=True)
            .add_extension(usage, critical=True)
            .add_extension(x509.SubjectAlternativeName(names), critical=False)
        )
        return builder.sign(self.signer, hashes.SHA256())


LEAF = Made()
CA = Made(ROOT, ROOT, ROOT_KEY, ROOT_KEY, ca=True, signs=True, uri="spiffe://example.org")
BETWEEN = replace(CA, name=MIDDLE, key=MIDDLE_KEY)
BELOW = replace(LEAF, issuer=MIDDLE, signer=MIDDLE_KEY)


def chain(*made: Made, signed: bool = True, pem: bool = False) -> PresentedChain:
    encoding = Encoding.PEM if pem else Encoding.DER
    parts = [item.certificate().public_bytes(encoding) for item in made or (LEAF,)]
    return PresentedChain.read(b"".join(parts), is_signed=signed)


CONDITION = {
    "StringEquals": {"aws:PrincipalTag/x509SAN/URI": SPIFFE_ID},
    "ArnEquals": {"aws:SourceArn": ANCHOR_ARN},
}
ACTIONS = ["sts:AssumeRole", "sts:TagSession", "sts:SetSourceIdentity"]


def described(
    *,
    anchor: dict[str, Any] | None = None,
    profile: dict[str, Any] | None = None,
    actions: list[str] = ACTIONS,
    condition: dict[str, Any] = CONDITION,
    anchors: tuple[Made, ...] = (CA,),
) -> dict[str, Any]:
    pem = b"".join(made.certificate().public_bytes(Encoding.PEM) for made in anchors).decode()
    statement = {
        "Effect": "Allow",
        "Principal": {"Service": "rolesanywhere.amazonaws.com"},
        "Action": actions,
        "Condition": condition,
    }
    return {
        "anchor": {
            "trustAnchor": {
                "trustAnchorArn": ANCHOR_ARN,
                "enabled": True,
                "source": {
                    "sourceType": "CERTIFICATE_BUNDLE",
                    "sourceData": {"x509CertificateData": pem},
                },
                **(anchor or {}),
            }
        },
        "profile": {
            "profile": {
                "profileArn": PROFILE_ARN,
                "enabled": True,
                "roleArns": [ROLE_ARN],
                "durationSeconds": 3600,
                **(profile or {}),
            }
        },
        "role": {
            "Role": {
                "Arn": ROLE_ARN,
                "MaxSessionDuration": 3600,
                "AssumeRolePolicyDocument": {"Version": "2012-10-17", "Statement": [statement]},
            }
        },
    }


def trust(request: SessionRequest | None = None, **changes: Any) -> RolesAnywhereTrust:
    read = parse_trust(json.dumps(described(**changes)).encode(), name="anywhere.json")
    return read.asked(request) if request else read


def asked(
    shown: PresentedChain | None = None, trusted: RolesAnywhereTrust | None = None, at: float = AT
) -> Verdict:
    return evaluate(shown or chain(), trusted or trust(), at)


DENIED = "AccessDeniedException"
UNTRUSTED = Refusal(DENIED, "Untrusted signing certificate", 403)
INSUFFICIENT = Refusal(DENIED, "Untrusted certificate. Insufficient certificate", 403, True)
UNABLE = Refusal(DENIED, f"Unable to assume role for {ROLE_ARN}", 403, True)
UNMAPPED = Refusal(
    DENIED,
    f"Unable to assume role for {ROLE_ARN}. Some attributes failed to be mapped into session tags.",
    403,
)

ROWS: list[tuple[str, Refusal, PresentedChain | None, RolesAnywhereTrust | None]] = [
    (
        "trust anchor",
        Refusal(DENIED, "Trust anchor is disabled", 403, True),
        None,
        trust(anchor={"enabled": False}),
    ),
    (
        "profile",
        Refusal(DENIED, "Profile is disabled", 403, True),
        None,
        trust(profile={"enabled": False}),
    ),
    (
        "certificate",
        Refusal("ValidationException", "Invalid certificate", assumed=True),
        PresentedChain.read(b"none"),
        None,
    ),
    ("signature", Refusal(DENIED, "Invalid signature", 403), chain(signed=False), None),
    ("chain", UNTRUSTED, None, trust(anchors=(replace(CA, key=OTHER_KEY, signer=OTHER_KEY),))),
    ("chain", UNTRUSTED, chain(replace(LEAF, end=NOW - timedelta(seconds=1))), None),
    ("chain", UNTRUSTED, chain(replace(LEAF, start=NOW + timedelta(seconds=1))), None),
    ("chain", UNTRUSTED, chain(replace(LEAF, issuer=MIDDLE)), None),
    ("chain", UNTRUSTED, chain(BELOW), None),
    ("chain", UNTRUSTED, chain(BELOW, replace(BETWEEN, ca=False)), None),
    ("chain", UNTRUSTED, chain(BELOW, replace(BETWEEN, signs=False)), None),
    ("chain", UNTRUSTED, chain(BELOW, replace(BETWEEN, end=NOW - DAY / 2)), None),
    ("chain", UNTRUSTED, chain(BELOW, BETWEEN), trust(anchors=(replace(CA, path_length=0),))),
    ("leaf", INSUFFICIENT, chain(replace(LEAF, ca=True)), None),
    ("leaf", INSUFFICIENT, chain(replace(LEAF, digital_signature=False)), None),
    ("role", UNABLE, None, trust(profile={"roleArns": []})),
    (
        "session name",
        Refusal(DENIED, "Role session name is not accepted by the profile", 403, True),
        None,
        trust(SessionRequest(session_name="web")),
    ),
    ("attributes", UNMAPPED, chain(replace(LEAF, name=subject(COMMON_NAME="a*b"))), None),
    ("trust policy", UNABLE, chain(replace(LEAF, uri=f"{SPIFFE_ID}2")), None),
    ("trust policy", UNABLE, None, trust(anchor={"trustAnchorArn": f"{ANCHOR_ARN}2"})),
    ("permission to tag", UNABLE, None, trust(actions=ACTIONS[:1])),
    ("permission to set a source identity", UNABLE, None, trust(actions=ACTIONS[:2])),
    (
        "session duration",
        Refusal(
            "ValidationException",
            "The requested DurationSeconds exceeds the MaxSessionDuration set for this role.",
            assumed=True,
        ),
        None,
        trust(SessionRequest(duration_seconds=3601)),
    ),
]


@pytest.mark.parametrize(
    ("rule", "refusal", "shown", "trusted"), ROWS, ids=[f"{i}-{r[0]}" for i, r in enumerate(ROWS)]
)
def test_each_refusal_comes_from_its_rule(
    rule: str,
    refusal: Refusal,
    shown: PresentedChain | None,
    trusted: RolesAnywhereTrust | None,
) -> None:
    verdict = asked(shown, trusted)
    assert verdict.failed is not None
    assert verdict.failed.name == rule
    assert verdict.refusal == refusal
    assert verdict.failed.check.fix
    outcomes = [clause.outcome for clause in verdict.clauses]
    at = outcomes.index(Outcome.FAILED)
    assert set(outcomes[:at]) <= {Outcome.PASSED}
    assert set(outcomes[at + 1 :]) <= {Outcome.NOT_REACHED}


def test_every_rule_is_failed_alone() -> None:
    assert {row[0] for row in ROWS} == {rule.name for rule in RULES}


@pytest.mark.parametrize("pem", [False, True])
@pytest.mark.parametrize("made", [(LEAF,), (BELOW, BETWEEN), (BELOW, CA, BETWEEN)])
def test_a_path_to_the_anchor_is_found(made: tuple[Made, ...], pem: bool) -> None:
    verdict = asked(chain(*made, pem=pem))
    assert verdict.accepted, verdict.failed
    assert verdict.verifier == TITLE
    assert verdict.identity == {
        "Arn": "arn:aws:sts::123456789012:assumed-role/payments/c0ffee",
        "DurationSeconds": 3600,
        "SourceIdentity": "api",
        "PrincipalTags": verdict.identity["PrincipalTags"],
    }
    tags = verdict.identity["PrincipalTags"]
    assert tags["x509SAN/URI"] == SPIFFE_ID
    assert tags["x509SAN/DNS"] == "api.example.org"
    assert tags["x509SAN/Name/CN"] == "inner"
    assert (tags["x509Subject/CN"], tags["x509Subject/O"]) == ("api", "SPIRE")
    assert not asked(chain(replace(made[0], uri=f"{SPIFFE_ID}2"), *made[1:])).accepted


def test_a_weak_hash_is_no_good() -> None:
    """A leaf by SHA-1, which must be put together by hand."""
    strong = replace(LEAF, signer=OTHER_KEY).certificate().public_bytes(Encoding.DER)
    sha256, sha1 = bytes.fromhex("2a864886f70d01010b"), bytes.fromhex("2a864886f70d010105")
    weak = strong.replace(sha256, sha1)
    signed = x509.load_der_x509_certificate(weak).tbs_certificate_bytes
    signature = OTHER_KEY.sign(signed, padding.PKCS1v15(), hashes.SHA1())
    anchored = trust(anchors=(replace(CA, key=OTHER_KEY, signer=OTHER_KEY),))
    assert asked(PresentedChain.read(strong), anchored).accepted
    refused = asked(PresentedChain.read(weak[: -len(signature)] + signature), anchored)
    assert refused.refusal == UNTRUSTED
    assert refused.failed is not None
    assert refused.failed.check.found == "a signature with a weak hash"


def test_what_is_not_mapped_is_absent() -> None:
    rules = [{"certificateField": "x509Subject", "mappingRules": [{"specifier": "CN"}]}]
    mapped = trust(profile={"attributeMappings": rules})
    verdict = asked(None, mapped)
    assert verdict.failed is not None
    assert verdict.failed.check.found == "aws:PrincipalTag/x509SAN/URI is absent"
    by_name = {"StringEquals": {"aws:PrincipalTag/x509Subject/CN": "api"}}
    accepted = asked(None, trust(profile={"attributeMappings": rules}, condition=by_name))
    assert accepted.identity["PrincipalTags"] == {"x509Subject/CN": "api"}


def test_a_subject_without_cn_has_no_source_identity() -> None:
    anonymous = chain(replace(LEAF, name=subject(COMMON_NAME="")))
    verdict = asked(anonymous, trust(actions=ACTIONS[:2]))
    assert verdict.accepted
    assert "SourceIdentity" not in verdict.identity


def test_a_session_name_where_the_profile_takes_it() -> None:
    named = trust(SessionRequest(session_name="web"), profile={"acceptRoleSessionName": True})
    assert asked(None, named).identity["Arn"].endswith(":assumed-role/payments/web")


def test_a_private_ca_is_not_known_here() -> None:
    private = trust(anchor={"source": {"sourceData": {"acmPcaArn": "arn:aws:acm-pca:x"}}})
    verdict = asked(None, private)
    assert verdict.accepted
    assert [clause.name for clause in verdict.clauses if clause.assumed] == ["chain"]


def test_a_real_svid_of_the_sandbox() -> None:
    sandbox = SandboxTrustDomain("example.org", x509_intermediate=True)
    issued = sandbox.x509.issue(SPIFFE_ID, 3600)
    shown = PresentedChain.read(issued.chain_der)
    root = sandbox.x509.keys[0].root.public_bytes(Encoding.PEM).decode()
    source = {"sourceData": {"x509CertificateData": root}}
    trusted = trust(anchor={"source": source}, actions=ACTIONS[:2])
    assert evaluate(shown, trusted, issued.issued_at + 1).accepted
    late = evaluate(shown, trusted, issued.expires_at + 1)
    assert late.refusal == UNTRUSTED


@pytest.mark.parametrize(
    ("description", "problem"),
    [
        ({}, "no trust anchor"),
        ({"anchor": described()["anchor"]}, "no profile"),
        ({k: v for k, v in described().items() if k != "role"}, "no trust policy"),
        ({**described(), "again": described()["anchor"]}, "2 trust anchors"),
        (described(anchor={"enabled": "yes"}), "enabled: must be true or false"),
        (described(anchor={"source": {}}), "neither certificates nor a private CA"),
        (
            described(anchor={"source": {"sourceData": {"x509CertificateData": "x"}}}),
            "x509CertificateData: is no PEM certificate",
        ),
        (described(profile={"roleArns": [{}]}), "roleArns: must be a text"),
        (described(profile={"durationSeconds": "1"}), "durationseconds: must be a whole number"),
    ],
)
def test_what_can_not_be_read_is_placed(description: dict[str, Any], problem: str) -> None:
    with pytest.raises(InvalidTrust, match=problem) as caught:
        parse_trust(json.dumps(description).encode(), name="anywhere.json")
    assert caught.value.message.startswith("anywhere.json: ")


GOOD = LEAF.certificate().public_bytes(Encoding.DER)


@pytest.mark.filterwarnings("ignore::cryptography.utils.CryptographyDeprecationWarning")
@given(data=st.binary(), now=st.floats())
def test_no_bytes_at_no_time_raise(data: bytes, now: float) -> None:
    for shown in (PresentedChain.read(data), PresentedChain.read(GOOD + data)):
        assert evaluate(shown, TRUST, now) == evaluate(shown, TRUST, now)


@pytest.mark.filterwarnings("ignore::cryptography.utils.CryptographyDeprecationWarning")
@given(position=st.integers(0, len(GOOD) - 1), octet=st.integers(0, 255))
def test_no_changed_certificate_raises_or_is_accepted(position: int, octet: int) -> None:
    """What its issuer signed, that is: one signature may be written in several ways."""
    changed = PresentedChain.read(GOOD[:position] + bytes([octet]) + GOOD[position + 1 :])
    if evaluate(changed, TRUST, AT).accepted:
        assert changed.leaf.tbs_certificate_bytes == LEAF.certificate().tbs_certificate_bytes


TRUST = trust()
