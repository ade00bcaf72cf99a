"""What SDKs read from a container credentials endpoint (SDKs Reference Guide)."""

from __future__ import annotations

import json

from spire_bridge.credentials.aws.temporary import TemporaryCredentials


def credentials_body(credentials: TemporaryCredentials) -> bytes:
    """The answer with credentials: JSON."""
    return _body(
        AccessKeyId=credentials.access_key_id,
        SecretAccessKey=credentials.secret_access_key,
        Token=credentials.session_token,
        Expiration=credentials.expiration,
    )


def read_credentials(body: bytes) -> TemporaryCredentials:
    """What `credentials_body` wrote. Raises `UnexpectedAnswer`."""
    members = json.loads(body)
    names = ("AccessKeyId", "SecretAccessKey", "Token", "Expiration")
    return TemporaryCredentials.read(*(members.get(name) for name in names))


def error_body(code: str, message: str) -> bytes:
    """The answer without: JSON."""
    return _body(code=code, message=message)


def _body(**members: str) -> bytes:
    return json.dumps(members).encode()
