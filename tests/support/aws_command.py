"""As much of AWS' command line as docs/vm.md uses, by boto3, where the real one is not installed.

Profiles, their credentials and their errors are botocore's own, which both programs use.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import boto3
from botocore.exceptions import BotoCoreError, ClientError


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("--profile")
    parser.add_argument("--endpoint-url")
    parser.add_argument("service", choices=["s3"])
    parser.add_argument("command", choices=["ls", "mb", "cp"])
    parser.add_argument("paths", nargs="+")
    arguments = parser.parse_args()
    *source, place = arguments.paths
    bucket, _, key = place.removeprefix("s3://").partition("/")
    try:
        session = boto3.session.Session(profile_name=arguments.profile)
        s3 = session.client("s3", endpoint_url=arguments.endpoint_url)
        if arguments.command == "mb":
            s3.create_bucket(Bucket=bucket)
        elif arguments.command == "cp":
            s3.put_object(Bucket=bucket, Key=key, Body=Path(source[0]).read_bytes())
        else:
            for found in s3.list_objects_v2(Bucket=bucket).get("Contents", []):
                print(
                    f"{found['LastModified']:%Y-%m-%d %H:%M:%S} {found['Size']:10} {found['Key']}"
                )
    except (BotoCoreError, ClientError) as error:
        print(error, file=sys.stderr)
        return 254
    return 0


if __name__ == "__main__":
    sys.exit(main())
