"""Where AWS is, compared with what botocore has in its data."""

from __future__ import annotations

import pytest

from spire_bridge.credentials.aws.endpoints import (
    InvalidRegion,
    region_of,
    roles_anywhere_endpoint,
    sts_endpoint,
)

ROLE = "arn:{}:iam::123456789012:role/web"


def test_every_region_that_botocore_knows_is_found() -> None:
    loaders = pytest.importorskip("botocore.loaders", reason="boto3 is not installed")
    partitions = loaders.create_loader().load_data("partitions")["partitions"]
    checked = 0
    for partition in partitions:
        role = ROLE.format(partition["id"])
        for region in partition["regions"]:
            if region.endswith("-global"):
                continue
            domain = partition["outputs"]["dnsSuffix"]
            assert sts_endpoint(role, region) == f"https://sts.{region}.{domain}"
            checked += 1
    assert checked > 30


def test_without_a_region_the_global_endpoint_is_asked_where_there_is_one() -> None:
    assert sts_endpoint(ROLE.format("aws"), "") == "https://sts.amazonaws.com"
    with pytest.raises(InvalidRegion, match="no region is named"):
        sts_endpoint(ROLE.format("aws-cn"), "")


def test_a_role_is_not_looked_for_in_another_partition() -> None:
    with pytest.raises(InvalidRegion, match="the region eu-central-1 is in the partition aws, and"):
        sts_endpoint(ROLE.format("aws-us-gov"), "eu-central-1")
    with pytest.raises(InvalidRegion, match="the region cn-north-1 is in the partition aws-cn"):
        sts_endpoint(ROLE.format("aws"), "cn-north-1")


@pytest.mark.parametrize(
    "region", ["evil.test/", "EU-CENTRAL-1", "eu central", "eu", "-", "a" * 99]
)
def test_what_is_no_region_reaches_no_host(region: str) -> None:
    with pytest.raises(InvalidRegion, match="is no region"):
        sts_endpoint(ROLE.format("aws"), region)


def test_roles_anywhere_is_where_the_anchor_is() -> None:
    anchor = "arn:aws:rolesanywhere:eu-central-1:123456789012:trust-anchor/1"
    assert region_of(anchor) == "eu-central-1"
    assert region_of("no arn") == ""
    endpoint = roles_anywhere_endpoint(anchor, region_of(anchor))
    assert endpoint == "https://rolesanywhere.eu-central-1.amazonaws.com"
    with pytest.raises(InvalidRegion, match="no region is named"):
        roles_anywhere_endpoint(anchor, "")
