"""Where AWS' token endpoints are, by region and partition (AWS General Reference)."""

from __future__ import annotations

import re

from spire_bridge.cloud.aws.arn import Arn
from spire_bridge.errors import EXIT_USAGE, BridgeError

DEFAULT_PARTITION = "aws"

_REGION = re.compile(r"[a-z]{2,8}(?:-[a-z0-9]{1,16}){1,4}", re.ASCII)
# By the beginning of a region's name: partition and domain. What is in none of these is in `aws`.
_PARTITIONS = (
    ("cn-", "aws-cn", "amazonaws.com.cn"),
    ("us-gov-", "aws-us-gov", "amazonaws.com"),
    ("us-iso-", "aws-iso", "c2s.ic.gov"),
    ("us-isob-", "aws-iso-b", "sc2s.sgov.gov"),
    ("eu-isoe-", "aws-iso-e", "cloud.adc-e.uk"),
    ("us-isof-", "aws-iso-f", "csp.hci.ic.gov"),
    ("eusc-", "aws-eusc", "amazonaws.eu"),
    ("", DEFAULT_PARTITION, "amazonaws.com"),
)


class InvalidRegion(BridgeError):
    """No region, or one that the role is not in."""

    code = "AWS_REGION_INVALID"
    exit_status = EXIT_USAGE


def sts_endpoint(role_arn: str, region: str) -> str:
    """The region's STS; without a region, in the partition `aws` alone, the global one.

    Raises `InvalidRegion`.
    """
    if not region and _partition(role_arn) == DEFAULT_PARTITION:
        return "https://sts.amazonaws.com"
    return _regional("sts", role_arn, region)


def roles_anywhere_endpoint(trust_anchor_arn: str, region: str) -> str:
    """The region's Roles Anywhere. Raises `InvalidRegion`."""
    return _regional("rolesanywhere", trust_anchor_arn, region)


def region_of(arn: str) -> str:
    """The region in an ARN; empty if it names none."""
    parsed = Arn.parse(arn)
    return parsed.region if parsed is not None else ""


def _partition(arn: str) -> str:
    parsed = Arn.parse(arn)
    return parsed.partition if parsed is not None else DEFAULT_PARTITION


def _regional(service: str, arn: str, region: str) -> str:
    if not _REGION.fullmatch(region):
        raise InvalidRegion(
            f"{region!r} is no region" if region else "no region is named",
            hint="name one by --region or AWS_REGION, such as eu-central-1",
        )
    _, partition, domain = next(p for p in _PARTITIONS if region.startswith(p[0]))
    if partition != _partition(arn):
        raise InvalidRegion(
            f"the region {region} is in the partition {partition}, and not {arn}",
            hint="name a region of the role's partition by --region or AWS_REGION",
        )
    return f"https://{service}.{region}.{domain}"
