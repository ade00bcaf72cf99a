"""Microsoft Entra's federated identity credentials; `sts` is where to ask."""
