"""The end of the walk: one token, as each model cloud receives it from a workload."""

from __future__ import annotations

import asyncio
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from urllib.parse import urlencode

from spire_bridge.cloud.rule import Verdict
from spire_bridge.service.dev import cloud_accounts as accounts
from spire_bridge.service.dev.demonstration import fetch
from spire_bridge.service.dev.demonstration_clouds import DemonstrationClouds
from spire_bridge.service.dev.errors import WalkThroughFailed

Say = Callable[[str, str, bool | None], None]

_TIMEOUT_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class CloudWalk:
    """Puts tokens to the clouds; `say` prints a step, and whether it is as it should be."""

    clouds: DemonstrationClouds
    say: Say

    async def run(self) -> None:
        token = (await fetch(self.clouds.workload)).token
        self.say(
            "clouds", "models made from the clouds' documentation, asked with east's token", None
        )
        aws = await self._asked(accounts.sts_request(self.clouds.addresses.http, token))
        self.say("AWS STS", _identity(aws, "Arn"), aws.accepted)
        google = await self._asked(accounts.exchange_request(self.clouds.addresses.http, token))
        self.say("Google STS", _identity(google, "google.subject"), google.accepted)
        entra = await self._asked(accounts.entra_request(self.clouds.addresses.https, token))
        answer = entra.refusal.code if entra.refusal is not None else "accepts it"
        self.say("Entra", f"refuses it with {answer}", not entra.accepted)
        for line in _explained(entra):
            self.say("", line, None)
        token = (await fetch(self.clouds.workload, accounts.ENTRA_AUDIENCE)).token
        entra = await self._asked(accounts.entra_request(self.clouds.addresses.https, token))
        self.say("", "so it is fetched, and accepted", entra.accepted)

    async def _asked(self, request: accounts.TokenRequest) -> Verdict:
        """The verdict behind the answer to a request. Raises `WalkThroughFailed`."""
        self.clouds.latest = None
        accepted = await asyncio.to_thread(self._is_accepted, request)
        verdict = self.clouds.latest
        if verdict is None or verdict.accepted is not accepted:
            raise WalkThroughFailed(f"{request.url} does not answer as its model judges")
        return verdict

    def _is_accepted(self, request: accounts.TokenRequest) -> bool:
        direct = urllib.request.build_opener(
            urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=self.clouds.tls)
        )
        body = urlencode(request.form).encode()
        try:
            with direct.open(request.url, body, timeout=_TIMEOUT_SECONDS):
                return True
        except urllib.error.HTTPError as refusal:
            refusal.close()
            return False
        except OSError as error:
            raise WalkThroughFailed(f"{request.url} does not answer: {error}") from None


def _identity(verdict: Verdict, member: str) -> str:
    failed = verdict.failed
    if failed is not None:
        return f"refuses it: {failed.check.found}, and not {failed.check.wanted}"
    return f"accepts it: {verdict.identity[member]}"


def _explained(verdict: Verdict) -> Iterator[str]:
    failed = verdict.failed
    if failed is not None:
        yield f"{failed.name}: found {failed.check.found}, wanted {failed.check.wanted}"
        yield f"fix: {failed.check.fix}"
