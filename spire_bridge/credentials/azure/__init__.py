"""Azure: a JWT-SVID for a token of Microsoft Entra, in the shapes that SDKs and tools read."""
