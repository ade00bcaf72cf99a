"""azure-identity with the `az` that is on PATH."""

from azure.identity import AzureCliCredential

print(AzureCliCredential().get_token("https://vault.azure.net/.default").token[:5])
