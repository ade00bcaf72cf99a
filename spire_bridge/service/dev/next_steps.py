"""What a newcomer can do next, to be copied into another terminal."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

from spire_bridge.sandbox.workload import Workload
from spire_bridge.service.dev.demonstration import AUDIENCE
from spire_bridge.service.dev.demonstration_clouds import DemonstrationClouds


def print_next_steps(
    workloads: dict[str, Workload], url: str, health: str, clouds: DemonstrationClouds | None
) -> None:
    program = _program()
    first, *others = workloads.values()
    print("\nServing until Ctrl-C. In another terminal:\n")
    if clouds is not None:
        _print_environment(clouds)
    print(f"  export SPIFFE_ENDPOINT_SOCKET={first.address}")
    for workload in others:
        print(f"  # or, as a workload of the other cluster, {workload.address}")
    print(
        f"""  {program} fetch jwt --audience {AUDIENCE} > token.jwt
  {program} validate --audience {AUDIENCE} --token token.jwt
  {program} fetch x509{_evaluate(program, clouds)}
  curl {url}/.well-known/openid-configuration
  curl {url}/keys
  curl http://{health}/readyz""",
        flush=True,
    )


def _print_environment(clouds: DemonstrationClouds) -> None:
    print(f"  . {clouds.environment_file}  # for boto3, google-auth and azure-identity:")
    for name, value in clouds.environment.items():
        print(f"  #   {name}={value}")
    print("  # The last three have this shell trust nobody but this machine.")
    print(f"  # IAM Roles Anywhere answers at {clouds.addresses.http}/sessions.\n")


def _evaluate(program: str, clouds: DemonstrationClouds | None) -> str:
    if clouds is None:
        return ""
    description = clouds.description_file("azure")
    return f"\n  {program} trust evaluate --audience {AUDIENCE} --azure {description}"


def _program() -> str:
    """How this command can be typed again: by its name, or by its path if it is not on PATH."""
    if shutil.which("spire-bridge"):
        return "spire-bridge"
    started_as = Path(sys.argv[0])
    return str(started_as) if started_as.name == "spire-bridge" else "python -m spire_bridge"
