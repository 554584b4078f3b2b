"""One deadline for a whole call: whoever drips a byte a second does not get another timeout with each of them."""

from __future__ import annotations

import socket
import ssl
import time
from typing import Any, cast

LEAST_BYTES_PER_S = 4096
"""A link that carries less is no link. What really came or went earns its time at this pace, where a call may be
long."""
SLICE_BYTES = 64 * 1024
"""So much is given to TLS at a time, so that what went is counted."""


class Deadline:
    """By the monotonic clock.

    :param seconds: from now.
    :param earns: how many bytes may come or go that earn their time at the slowest link; more than these earn none, so
        that there is an end whatever is sent.
    """

    def __init__(self, seconds: float, *, earns: int = 0) -> None:
        self._end_s = time.monotonic() + seconds
        self._earns = earns

    def left_s(self) -> float:
        """:raises TimeoutError: nothing."""
        left = self._end_s - time.monotonic()
        if left <= 0:
            raise TimeoutError("the time for all of it is up")
        return left

    def moved(self, count: int) -> None:
        """So many bytes have come or gone."""
        earning = min(count, self._earns)
        self._earns -= earning
        self._end_s += earning / LEAST_BYTES_PER_S


class TimedSocket(ssl.SSLSocket):
    """Whatever is read or written ends by its deadline, in however many pieces it goes."""

    deadline: Deadline | None = None

    def read(self, len: int = 1024, buffer: Any = None) -> Any:  # noqa: A002 - as the library calls it
        if self.deadline is None:
            return super().read(len, buffer)
        self.settimeout(self.deadline.left_s())
        got = super().read(len, buffer)
        self.deadline.moved(got if isinstance(got, int) else got.__len__())
        return got

    def send(self, data: Any, flags: int = 0) -> int:
        if self.deadline is None:
            return super().send(data, flags)
        self.settimeout(self.deadline.left_s())
        count = super().send(memoryview(data)[:SLICE_BYTES], flags)
        self.deadline.moved(count)
        return count


def dial(host: str, port: int, context: ssl.SSLContext, deadline: Deadline, *, most_s: float) -> TimedSocket:
    """Connect and shake hands, all before the deadline, which the socket has until it is given another one.

    :param context: makes :class:`TimedSocket`.
    :param most_s: for the connecting, and as much for the handshake, however much later the deadline is.
    :raises OSError: it fails, or the time is up.
    """
    refused: OSError = ConnectionRefusedError(f"{host} has no address")
    for family, kind, protocol, _, where in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM):
        timed = _unconnected(family, kind, protocol, context, host)
        try:
            timed.settimeout(min(most_s, deadline.left_s()))
            try:
                timed.connect(where)
            except OSError as error:
                # A host may have several addresses.
                refused = error
                timed.close()
                continue
            timed.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            timed.settimeout(min(most_s, deadline.left_s()))
            timed.do_handshake()
        except BaseException:
            timed.close()
            raise
        timed.deadline = deadline
        return timed
    raise refused


def _unconnected(family: int, kind: int, protocol: int, context: ssl.SSLContext, host: str) -> TimedSocket:
    """Made before it is connected: where the other side resets a connection before it is wrapped, the library raises
    and leaves the descriptor open.
    """
    plain = socket.socket(family, kind, protocol)
    try:
        made = context.wrap_socket(plain, server_hostname=host, do_handshake_on_connect=False)
    except BaseException:
        plain.close()
        raise
    return cast(TimedSocket, made)
