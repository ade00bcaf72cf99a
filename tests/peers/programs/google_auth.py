"""google-auth with what the environment names."""

import google.auth
import google.auth.transport.requests

scopes = ["https://www.googleapis.com/auth/cloud-platform"]
credentials, _ = google.auth.default(scopes=scopes)
credentials.refresh(google.auth.transport.requests.Request())
print(credentials.token[:10])
