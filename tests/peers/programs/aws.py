"""boto3 with what the environment names."""

import boto3

print(boto3.session.Session().get_credentials().get_frozen_credentials().access_key[:4])
