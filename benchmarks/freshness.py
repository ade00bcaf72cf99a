"""From the agent's stream to the served JWK set, beside one HTTP round trip."""

from __future__ import annotations

import json
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from statistics import median

from benchmarks.child import Child
from benchmarks.http_client import HttpClient, http_client
from benchmarks.issuers import JWKS_PATH, bridge
from benchmarks.table import Row

ROUNDS = 21
ROUND_TRIPS = 50

_PATIENCE_SECONDS = 10.0


def run() -> Iterator[Row]:
    delays: list[float] = []
    round_trips: list[float] = []
    with tempfile.TemporaryDirectory(prefix="sb-") as folder, Child("sandbox_agent") as sandbox:
        (agent,) = sandbox.ask("addresses", count=1)
        with bridge(agent, Path(folder)) as served, http_client(served.port, JWKS_PATH) as client:
            for _ in range(ROUNDS + 1):
                delays.append(_delay(sandbox, client) * 1000)
                trips = [client.round_trip_seconds() for _ in range(ROUND_TRIPS)]
                round_trips.append(median(trips) * 1000)
    yield Row.compared(
        "new key, from the agent's stream to the served JWKS",
        delays[1:],  # the first round warms up
        round_trips[1:],
        unit="ms",
        beside="one round trip of the same client",
    )


def _delay(sandbox: Child, client: HttpClient) -> float:
    """Seconds from the agent's sending of a new key to the end of the GET that showed it.

    The GETs begin before the key is made and follow one another without a pause.
    """
    before = client.get()
    sandbox.tell("rotate")
    body, seen_at = _first_change(client, before)
    rotated = sandbox.listen()
    if rotated["key_id"] not in {key["kid"] for key in json.loads(body)["keys"]}:
        raise RuntimeError("the JWK set has changed, but not as the agent did")
    sandbox.ask("retire")
    _first_change(client, body)
    return float(seen_at - rotated["at"])


def _first_change(client: HttpClient, before: bytes) -> tuple[bytes, float]:
    deadline = time.monotonic() + _PATIENCE_SECONDS
    while (body := client.get()) == before:
        if time.monotonic() > deadline:
            raise TimeoutError("the JWK set does not change")
    return body, time.monotonic()
