"""How a TCP socket stops listening without a reset for who has just connected."""

from __future__ import annotations

import ctypes
import socket
import struct
import sys

# Linux, asm-generic/socket.h; Python has no name for it.
_SO_ATTACH_FILTER = 26

# A classic BPF program, which sees a segment from its TCP header on: drops it if SYN is set.
_DROP_SYN = (
    (0x30, 0, 0, 13),  # A = the byte of the flags
    (0x45, 0, 1, 0x02),  # if A & SYN, the next, else the one after
    (0x06, 0, 0, 0),  # drop
    (0x06, 0, 0, 0xFFFFFFFF),  # take all of it
)


def ignore_new_connections(listener: socket.socket) -> None:
    """Has the kernel begin no more TCP handshakes; those under way end, and are accepted.

    A closed listener resets what waits in its backlog, so that has to be empty and stay so.
    Who is ignored tries again after a second: by then he is refused, or served by the next
    process at this port. A system that can't do this goes on as before.
    """
    if sys.platform != "linux":
        return
    instructions = b"".join(struct.pack("HBBI", *each) for each in _DROP_SYN)
    program = ctypes.create_string_buffer(instructions, len(instructions))
    try:
        listener.setsockopt(
            socket.SOL_SOCKET,
            _SO_ATTACH_FILTER,
            struct.pack("HP", len(_DROP_SYN), ctypes.addressof(program)),
        )
    except OSError:  # not every sandbox admits it
        return
