"""A link between a desktop and a box that counts, and can be cut."""

from __future__ import annotations

import socket
import threading
from contextlib import suppress


class Link:
    """Passes TCP connections on to a box on this machine.

    :param cut_after: bytes to the box after which every connection ends at once; None: never.
    """

    def __init__(self, port: int, cut_after: int | None = None) -> None:
        self._port = port
        self._lock = threading.Lock()
        self.left = cut_after
        self.up = 0
        """Bytes that went to the box, with everything around them."""
        self._server = socket.create_server(("127.0.0.1", 0))
        self.address = f"127.0.0.1:{self._server.getsockname()[1]}"
        self._open = set[socket.socket]()
        self._threads = [threading.Thread(target=self._accept)]
        self._threads[0].start()

    def mend(self) -> None:
        """Cut it no more."""
        self.left = None

    def close(self) -> None:
        self._server.shutdown(socket.SHUT_RDWR)
        self._server.close()
        self._cut()
        for thread in self._threads:
            thread.join()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                near, _ = self._server.accept()
                far = socket.create_connection(("127.0.0.1", self._port))
                with self._lock:
                    self._open |= {near, far}
                for one, other, counted in ((near, far, True), (far, near, False)):
                    thread = threading.Thread(target=self._carry, args=(one, other, counted))
                    self._threads.append(thread)
                    thread.start()

    def _carry(self, one: socket.socket, other: socket.socket, counted: bool) -> None:
        with suppress(OSError):
            while body := one.recv(16384):
                if counted and not self._pay(len(body)):
                    self._cut()
                    return
                other.sendall(body)
        for end in (one, other):
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
            with self._lock:
                self._open.discard(end)
            end.close()

    def _pay(self, size: int) -> bool:
        with self._lock:
            if self.left is not None and self.left < size:
                self.left = 0
                return False
            self.up += size
            if self.left is not None:
                self.left -= size
            return True

    def _cut(self) -> None:
        with self._lock:
            ends, self._open = self._open, set()
        for end in ends:
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
            end.close()
