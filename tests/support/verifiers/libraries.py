"""Verifier libraries of Go and Node, in the programs of tests/peers/go and tests/peers/js."""

from __future__ import annotations

from pathlib import Path

from verifiers.line_program import LineProgram
from verifiers.peer import Reasons
from verifiers.toolchains import go_program, node_program


def go_oidc(folder: Path) -> LineProgram:
    """github.com/coreos/go-oidc, version 3, built into `folder`."""
    reasons = Reasons(
        audience="expected audience",
        subject="another workload",
        issuer="id token issued by a different provider",
        expired="token is expired",
        forgery="failed to verify signature|malformed jwt",
    )
    return LineProgram([go_program("goidc", folder)], refetches=True, reasons=reasons)


def kubernetes(folder: Path) -> LineProgram:
    """The authenticator of k8s.io/apiserver, whose go-oidc, version 2, heeds Cache-Control."""
    reasons = Reasons(
        audience="expected audience",
        subject="another workload",
        issuer="not a token of the issuer",
        expired="token is expired",
        forgery="failed to verify signature|malformed jwt|unsupported algorithm",
    )
    return LineProgram([go_program("kubernetes", folder)], refetches=False, reasons=reasons)


def jose(folder: Path) -> LineProgram:
    """`jose` from npm, installed into `folder`."""
    reasons = Reasons(
        audience='unexpected "aud" claim value',
        subject='unexpected "sub" claim value',
        issuer='unexpected "iss" claim value',
        expired="ERR_JWT_EXPIRED",
        forgery="ERR_JWS_SIGNATURE_VERIFICATION_FAILED|ERR_JOSE_ALG_NOT_ALLOWED"
        "|ERR_JWKS_NO_MATCHING_KEY",
    )
    command = node_program("relying-party.js", folder)
    return LineProgram(command, False, reasons, ca_variable="NODE_EXTRA_CA_CERTS")
