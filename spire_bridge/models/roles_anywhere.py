"""IAM Roles Anywhere's endpoint, as documented: CreateSession for who shows a certificate.

A model made from documentation; its credentials open nothing.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Mapping
from typing import Any

from spire_bridge.cloud.aws.roles_anywhere import (
    PresentedChain,
    RolesAnywhereTrust,
    SessionRequest,
    evaluate,
)
from spire_bridge.cloud.rule import Refusal
from spire_bridge.listen.http import Request, Response
from spire_bridge.models.json_answer import json_answer
from spire_bridge.models.parameters import InvalidParameters, json_object, query
from spire_bridge.models.signed_request import is_signed_by, presented_certificates
from spire_bridge.models.surroundings import Surroundings
from spire_bridge.models.temporary_credentials import TemporaryCredentials, assumed_role_id

PATH = "/sessions"

_ARNS = ("trustAnchorArn", "profileArn", "roleArn")
_UNREADABLE = Refusal("ValidationException", "Invalid request", assumed=True)
_NOT_FOUND = Refusal("ResourceNotFoundException", "Resource not found", 404, assumed=True)
_ONLY_POST = Refusal("ValidationException", "CreateSession takes POST", 405, assumed=True)


class RolesAnywhere:
    """Answers for the anchors, profiles and roles that are described."""

    def __init__(self, roles: Iterable[RolesAnywhereTrust], around: Surroundings) -> None:
        self._roles = {(t.anchor.arn, t.profile.arn, t.role.arn): t for t in roles}
        self._around = around

    def __call__(self, request: Request) -> Response:
        if request.method != "POST":
            return _refused(_ONLY_POST)
        try:
            if request.repeated:
                raise InvalidParameters("a header comes more than once")  # noqa: TRY301 - as all
            parameters = {**json_object(request), **query(request)}
            arns = _texts(parameters, *_ARNS)
            asked = SessionRequest(
                arns[2], _texts(parameters, "roleSessionName")[0], _seconds(parameters)
            )
        except InvalidParameters:
            return _refused(_UNREADABLE)
        trust = self._trust(*arns)
        if trust is None:
            return _refused(_NOT_FOUND)
        return self._create(request, trust.asked(asked))

    def _create(self, request: Request, trust: RolesAnywhereTrust) -> Response:
        now = self._around.clock()
        chain = PresentedChain.read(presented_certificates(request))
        if chain.certificates and not is_signed_by(request, chain.leaf, now):
            chain = PresentedChain(chain.certificates, is_signed=False)
        verdict = self._around.judged(evaluate(chain, trust, now))
        if verdict.refusal is not None:
            return _refused(verdict.refusal)
        return _created(trust, verdict.identity, now, f"{chain.leaf.serial_number:x}")

    def _trust(self, anchor: str, profile: str, role: str) -> RolesAnywhereTrust | None:
        """The role's trust, or one of the same profile, which then refuses the role."""
        found = self._roles.get((anchor, profile, role))
        if found is not None:
            return found
        same = (t for (a, p, _), t in self._roles.items() if (a, p) == (anchor, profile))
        return next((t for t in same if role not in t.profile.role_arns), None)


def _texts(parameters: Mapping[str, Any], *names: str) -> tuple[str, ...]:
    values = tuple(parameters.get(name) or "" for name in names)
    if not all(isinstance(value, str) for value in values):
        raise InvalidParameters("a parameter is no text")
    return values


def _seconds(parameters: Mapping[str, Any]) -> int | None:
    seconds = parameters.get("durationSeconds")
    if seconds is not None and (isinstance(seconds, bool) or not isinstance(seconds, int)):
        raise InvalidParameters("durationSeconds is no number")
    return seconds


def _created(
    trust: RolesAnywhereTrust, identity: Mapping[str, Any], now: float, serial: str
) -> Response:
    credentials = TemporaryCredentials.until(now + identity["DurationSeconds"])
    session = trust.request.session_name or serial
    created = {
        "assumedRoleUser": {
            "arn": identity["Arn"],
            "assumedRoleId": assumed_role_id(trust.role_arn, session),
        },
        "credentials": {
            "accessKeyId": credentials.access_key_id,
            "secretAccessKey": credentials.secret_access_key,
            "sessionToken": credentials.session_token,
            "expiration": credentials.expiration,
        },
        "packedPolicySize": 0,
        "roleArn": trust.role_arn,
        "sourceIdentity": identity.get("SourceIdentity", ""),
    }
    subject = f"{trust.anchor.arn.partition(':trust-anchor/')[0]}:subject/{uuid.uuid4()}"
    return json_answer(201, {"credentialSet": [created], "subjectArn": subject})


def _refused(refusal: Refusal) -> Response:
    headers = (("x-amzn-errortype", refusal.code), ("x-amzn-requestid", str(uuid.uuid4())))
    return json_answer(refusal.status, {"message": refusal.message}, headers)
