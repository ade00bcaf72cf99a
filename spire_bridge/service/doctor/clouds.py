"""What each described verifier would say, by its documented rules."""

from __future__ import annotations

from dataclasses import replace

from spire_bridge.cloud.aws.certificate_chain import PresentedChain
from spire_bridge.cloud.presented_token import PresentedToken, shown
from spire_bridge.cloud.rule import Verdict
from spire_bridge.cloud.trust_description import TrustDescription
from spire_bridge.errors import EXIT_FAILURE, EXIT_UNAVAILABLE
from spire_bridge.service.doctor.agent import ask_agent
from spire_bridge.service.doctor.context import Context, expected_audience
from spire_bridge.service.doctor.finding import Finding
from spire_bridge.service.trust.evaluation import Presented, evaluate
from spire_bridge.spiffe.jwt_svid import UnverifiedJwtSvid

CLOUDS, CERTIFICATES = "clouds", "roles-anywhere"


def check_clouds(context: Context) -> tuple[Context, tuple[Finding, ...]]:
    """Every verifier of tokens that is described takes this workload's."""
    asked = context.asked
    descriptions = [d for d in asked.descriptions if not d.verifier.takes_certificates]
    if not descriptions:
        return context, (Finding.skipped(CLOUDS, "no trust is described: --aws, --gcp and so on"),)
    assert context.svid is not None
    issuer = context.issuer or asked.reader.read_named(context.svid.issuer)
    presented = Presented(asked.clock(), issuer=issuer)
    findings = []
    for description in descriptions:
        token = PresentedToken.read(_svid_for(description, context).token)
        findings.append(_judged(CLOUDS, description, replace(presented, token=token)))
    return context, tuple(findings)


def check_certificates(context: Context) -> tuple[Context, tuple[Finding, ...]]:
    """Every verifier of certificates that is described takes this workload's."""
    descriptions = [d for d in context.asked.descriptions if d.verifier.takes_certificates]
    assert context.svid is not None
    assert context.x509 is not None
    spiffe_id = context.svid.spiffe_id
    svid = next(svid for svid in context.x509.svids if svid.spiffe_id == spiffe_id)
    presented = Presented(context.asked.clock(), chain=PresentedChain.read(svid.chain_pem()))
    return context, tuple(_judged(CERTIFICATES, d, presented) for d in descriptions)


def _svid_for(description: TrustDescription, context: Context) -> UnverifiedJwtSvid:
    """The SVID there is; where no audience was asked for, one that this verifier takes."""
    asked, svid = context.asked, context.svid
    assert svid is not None
    audience = asked.audience or expected_audience(description) or svid.audience
    if audience == svid.audience:
        return svid
    return ask_agent(
        asked, lambda client: client.fetch_jwt_svids(audience, spiffe_id=svid.spiffe_id)
    )[0]


def _judged(check: str, description: TrustDescription, presented: Presented) -> Finding:
    evaluation = evaluate([description], presented)
    (judged,) = evaluation.judged
    verdict, place = judged.verdict, description.place
    failed = verdict.failed
    if failed is None:
        return Finding.ok(check, f"{verdict.verifier} accepts it as {_who(verdict)}", about=place)
    found, wanted = (text or "nothing" for text in (failed.check.found, failed.check.wanted))
    undecided = evaluation.is_undecided
    return Finding.failed(
        check,
        "CLOUD_UNDECIDED" if undecided else "CLOUD_REFUSES",
        f"{verdict.verifier} refuses it by the clause {failed.name!r}:"
        f" found {found}, wanted {wanted}",
        failed.check.fix,
        f"every clause: spire-bridge trust evaluate --audience A --{description.verifier.key} FILE",
        about=place,
        exit_status=EXIT_UNAVAILABLE if undecided else EXIT_FAILURE,
    )


def _who(verdict: Verdict) -> str:
    return next((shown(value) for value in verdict.identity.values()), "somebody")
