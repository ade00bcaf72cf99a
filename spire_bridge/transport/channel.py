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


ChannelOptions = tuple[tuple[str, str | int], ...]


def open_local_channel(target: str, options: ChannelOptions = ()) -> grpc.aio.Channel:
    """A channel without TLS to `unix:/path` or `ip:port`, with no proxy in between.

    `options` are gRPC's, besides those that every channel has. Must be called from a
    running event loop.
    """
    return grpc.aio.insecure_channel(target, options=_OPTIONS + options)
