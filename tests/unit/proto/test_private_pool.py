"""PyPI's `spiffe` defines the same service as we do, and both live in one process."""

from __future__ import annotations

import subprocess
import sys

import pytest

OURS = "from spire_bridge._proto import workload_pb2 as ours, workload_pb2_grpc as our_stubs"
THEIRS = "from spiffe._proto import workload_pb2 as theirs, workload_pb2_grpc as their_stubs"

# What one of them writes, the other one reads; the well-known Struct is copied, so it is tried.
EXCHANGE = """
import spiffe
from google.protobuf import descriptor_pool

assert ours.DESCRIPTOR.pool is not descriptor_pool.Default()
assert theirs.DESCRIPTOR.pool is descriptor_pool.Default()
for write, read in ((ours, theirs), (theirs, ours)):
    svid = write.JWTSVID(spiffe_id="spiffe://example.org/web", svid="x.y.z", hint="internal")
    sent = write.JWTSVIDResponse(svids=[svid]).SerializeToString()
    received = read.JWTSVIDResponse.FromString(sent).svids[0]
    assert (received.spiffe_id, received.hint) == (svid.spiffe_id, svid.hint)
    validation = write.ValidateJWTSVIDResponse(spiffe_id="spiffe://example.org/web")
    validation.claims.update({"aud": ["db"], "exp": 1})
    claims = read.ValidateJWTSVIDResponse.FromString(validation.SerializeToString()).claims
    assert (list(claims["aud"]), claims["exp"]) == (["db"], 1)
print("both")
"""


@pytest.mark.parametrize("imports", [(OURS, THEIRS), (THEIRS, OURS)], ids=["ours", "theirs"])
def test_both_packages_in_one_process(imports: tuple[str, str]) -> None:
    program = "\n".join([*imports, EXCHANGE])
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", program],
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "both\n", "")
