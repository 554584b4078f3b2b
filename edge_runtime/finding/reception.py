"""Room for what comes in at once, and whether it was enough.

Hundreds of boxes answer one question at the same moment. What does not fit into a socket's buffer while this program
has no processor the kernel drops, and counts.
"""

from __future__ import annotations

import socket
import struct
import sys
from collections.abc import Iterable
from contextlib import suppress

ROOM_BYTES = 8 * 2**20
_FORCE_ROOM, _MEMORY, _DROPS_AT = 33, 55, 8
"""Linux: SO_RCVBUFFORCE, SO_MEMINFO, and where in the latter's nine numbers the drops are."""


def make_room(sockets: Iterable[socket.socket]) -> None:
    """Let each take in as much as the system allows: beyond its limit only where this program may set that aside."""
    for one in sockets:
        if sys.platform == "linux":
            with suppress(OSError):
                one.setsockopt(socket.SOL_SOCKET, _FORCE_ROOM, ROOM_BYTES)
                continue
        with suppress(OSError):
            one.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, ROOM_BYTES)


def dropped(sockets: Iterable[socket.socket]) -> int:
    """Packets for these that found no room; 0 where the system does not tell."""
    if sys.platform != "linux":
        return 0
    total = 0
    for one in sockets:
        with suppress(OSError, struct.error):
            told = one.getsockopt(socket.SOL_SOCKET, _MEMORY, 4 * (_DROPS_AT + 1))
            total += int(struct.unpack_from("=I", told, 4 * _DROPS_AT)[0])
    return total
