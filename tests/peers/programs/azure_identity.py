"""azure-identity with what the environment names."""

from azure.identity import WorkloadIdentityCredential

with WorkloadIdentityCredential(retry_total=0) as credential:
    print(credential.get_token("https://vault.azure.net/.default").token[:5])
