"""The issuer: its documents, the key that signed, and whether it knows what the agent knows."""

from __future__ import annotations

from dataclasses import replace

from spire_bridge.cloud.presentation import signed_with
from spire_bridge.cloud.presented_token import PresentedToken, shown
from spire_bridge.errors import EXIT_FAILURE, EXIT_UNAVAILABLE
from spire_bridge.issuer.url import DISCOVERY_PATH
from spire_bridge.service.doctor.agent import ask_agent
from spire_bridge.service.doctor.context import Context
from spire_bridge.service.doctor.finding import Finding
from spire_bridge.service.trust.issuer_reading import ReadIssuer

ISSUER, KEY, KEY_SET = "issuer", "key", "key-set"

_LAG_ADVICE = (
    "does the issuer follow this trust domain's server, and up to now? spire-bridge status"
)
_CACHE_ADVICE = "a CDN or proxy before it may keep an old key set: look at its Cache-Control, purge"
_SHOWN = 5


def check_issuer(context: Context) -> tuple[Context, tuple[Finding, ...]]:
    """The issuer answers with both documents, and calls itself what the SVID calls it."""
    asked, svid = context.asked, context.svid
    named = svid.issuer if svid is not None else None
    if asked.issuer is None and named is None:
        seen = "the SVID names no issuer, so no OIDC verifier will take it"
        hint = 'set jwt_issuer = "https://…" in the SPIRE server\'s configuration'
        return context, (Finding.warned(ISSUER, "ISSUER_NOT_NAMED", seen, hint),)
    where = asked.issuer or named or ""
    read = asked.reader.read(where) if asked.issuer else asked.reader.read_named(named)
    if read.documents.problem:
        return context, (_unreadable(read, where),)
    ahead = None if read.answered_at is None else read.answered_at - asked.clock()
    context = replace(context, issuer=read, issuer_ahead_seconds=ahead)
    called = read.documents.issuer
    if svid is not None and called != named:
        seen = f"its document names {shown(called)}, the SVID names {shown(named)}"
        hint = (
            "make them the same to the letter: jwt_issuer of the SPIRE server, and issuer.url of"
            " spire-bridge serve"
        )
        return context, (Finding.failed(ISSUER, "ISSUER_MISMATCH", seen, hint),)
    return context, (Finding.ok(ISSUER, f"{where}, keys: {len(read.documents.keys)}"),)


def _unreadable(read: ReadIssuer, where: str) -> Finding:
    away, is_url = read.is_unavailable, "://" in where
    return Finding.failed(
        ISSUER,
        "ISSUER_UNREACHABLE" if away else "ISSUER_INVALID",
        read.documents.problem,
        f"look at it from here: curl -v {where.rstrip('/')}{DISCOVERY_PATH}" if is_url else "",
        "an authority of your own vouches for it? name it: --ca-file" if away else "",
        exit_status=EXIT_UNAVAILABLE if away else EXIT_FAILURE,
    )


def check_key(context: Context) -> tuple[Context, tuple[Finding, ...]]:
    """The issuer serves the key that signed the SVID, and the signature verifies with it."""
    issuer, svid = context.issuer, context.svid
    if issuer is None or svid is None:
        return context, (Finding.skipped(KEY, "there is no issuer to look at"),)
    documents = issuer.documents
    jwk = documents.key(svid.key_id)
    if jwk is None:
        served = ", ".join(shown(key.get("kid")) for key in documents.keys[:_SHOWN]) or "none"
        seen = f"the SVID is signed with {shown(svid.key_id)}; the issuer serves {served}"
        return context, (Finding.failed(KEY, "KEY_NOT_SERVED", seen, _LAG_ADVICE, _CACHE_ADVICE),)
    if not signed_with(PresentedToken.read(svid.token), jwk):
        seen = f"the served key {shown(svid.key_id)} has not signed the SVID"
        return context, (Finding.failed(KEY, "SIGNATURE_INVALID", seen, _LAG_ADVICE),)
    listed = documents.discovery.get("id_token_signing_alg_values_supported")
    if isinstance(listed, list) and svid.algorithm not in listed:
        seen = f"{svid.algorithm} signs, and the discovery document lists {shown(listed)}"
        return context, (Finding.warned(KEY, "ALGORITHM_NOT_LISTED", seen, _LAG_ADVICE),)
    return context, (Finding.ok(KEY, f"{shown(svid.key_id)}, signature verified"),)


def check_key_set(context: Context) -> tuple[Context, tuple[Finding, ...]]:
    """The issuer serves the keys of the agent's bundle, no fewer and no others."""
    issuer, svid = context.issuer, context.svid
    if issuer is None or svid is None:
        return context, (Finding.skipped(KEY_SET, "there is no issuer to look at"),)
    bundles = ask_agent(context.asked, lambda client: client.fetch_jwt_bundles())
    bundle = bundles.get(svid.spiffe_id.trust_domain)
    if bundle is None:
        seen = f"the agent has no usable bundle of {svid.spiffe_id.trust_domain}"
        return context, (Finding.warned(KEY_SET, "BUNDLE_INVALID", seen),)
    known = set(bundle.authorities)
    served = {key["kid"] for key in issuer.documents.keys if isinstance(key.get("kid"), str)}
    if known - served:
        seen = (
            f"the issuer lacks {_some(known - served)}, which the agent knows and may see signing"
        )
        return context, (Finding.warned(KEY_SET, "KEYS_MISSING", seen, _LAG_ADVICE),)
    if served - known:
        seen = f"the issuer serves {_some(served - known)}, which the agent does not know"
        hint = "a key that was revoked must go, and one that is new is there within seconds"
        return context, (Finding.warned(KEY_SET, "KEYS_UNKNOWN", seen, hint, _LAG_ADVICE),)
    return context, (
        Finding.ok(KEY_SET, f"those of the agent's bundle and no others, keys: {len(known)}"),
    )


def _some(key_ids: set[str]) -> str:
    return ", ".join(shown(key_id) for key_id in sorted(key_ids)[:_SHOWN])
