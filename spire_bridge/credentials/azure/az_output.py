"""What `az account get-access-token` is told and prints, for programs that run az. Pure."""

from __future__ import annotations

import json
from datetime import datetime


def scope_of(resource: str) -> str:
    """All that the application may do at a resource. A slash at its end belongs to its name."""
    return f"{resource}/.default"


def az_json(token: str, expires_at: int, tenant: str, subscription: str = "") -> str:
    """`expiresOn` is in local time, without a zone.

    Where there is no subscription, az shows the tenant in its place.
    """
    expires_on = datetime.fromtimestamp(expires_at)  # noqa: DTZ006 - so do its readers
    content = {
        "accessToken": token,
        "expiresOn": expires_on.strftime("%Y-%m-%d %H:%M:%S.%f"),
        "expires_on": expires_at,
        "subscription": subscription or tenant,
        "tenant": tenant,
        "tokenType": "Bearer",
    }
    return json.dumps(content, indent=2)
