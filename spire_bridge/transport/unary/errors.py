"""Where this small client gives up."""

from __future__ import annotations


class NotUnderstood(Exception):
    """The call has not come to an end that is clear here: the gRPC library is to make it.

    It is caught by whoever makes the call, and never reaches a user.
    """
