"""gRPC channels to endpoints on this machine."""

from __future__ import annotations

import grpc.aio

# Each channel has its own connection, which is retried at the caller's pace: grpc would
# otherwise share failing connections between channels and wait up to two minutes. Its
# minimum backoff stays as it is: that also limits how long a busy agent may take to answer
# a connection.
_OPTIONS = (
    ("grpc.use_local_subchannel_pool", 1),
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.max_reconnect_backoff_ms", 500),
    ("grpc.enable_http_proxy", 0),
    # Nobody looks at these; with hundreds of channels they cost megabytes.
    ("grpc.enable_channelz", 0),
    ("grpc.max_channel_trace_event_memory_per_node", 0),
)


def open_local_channel(target: str, *, authority: str | None = None) -> grpc.aio.Channel:
    """A channel without TLS to `unix:/path` or `ip:port`, with no proxy in between.

    `authority` is the host that calls name, where it isn't the target: for one that is
    forwarded. Must be called from a running event loop.
    """
    named = () if authority is None else (("grpc.default_authority", authority),)
    return grpc.aio.insecure_channel(target, options=_OPTIONS + named)
