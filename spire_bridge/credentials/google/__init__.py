"""Google: a JWT-SVID for an access token, in the shapes that its SDKs and gcloud read."""
