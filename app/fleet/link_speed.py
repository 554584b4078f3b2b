"""How fast a link is."""

from __future__ import annotations

import os
import time
from collections.abc import Callable

FIRST_PIECE = 64 * 1024
LARGEST_PIECE = 1024 * 1024
LONG_ENOUGH_S = 0.2
"""A piece that took so long to send says how fast the link is; a shorter one is followed by a larger one."""
ROUND_TRIPS = 5
"""The shortest of so many counts: on a fast link a single one may well take longer than a piece."""


def measure_link(send: Callable[[bytes], None], clock: Callable[[], float] = time.monotonic) -> float:
    """Bytes per second of a link, from a timed exchange: larger pieces until one takes long enough to tell.

    :param send: sends bytes that are thrown away at the other end, and returns when they are there.
    """
    send(b"\0")  # opens the connection, which is no part of it
    round_trip = float("inf")
    for _ in range(ROUND_TRIPS):
        began = clock()
        send(b"\0")
        round_trip = min(round_trip, clock() - began)
        if round_trip > LONG_ENOUGH_S / 2:
            break
    size = FIRST_PIECE
    while True:
        # No zeros: a link that compresses would look faster than it is.
        piece = os.urandom(size)
        began = clock()
        send(piece)
        took = clock() - began
        moving = max(took - round_trip, took / 10, 1e-6)
        if moving >= LONG_ENOUGH_S or size >= LARGEST_PIECE:
            return size / moving
        size *= 4
