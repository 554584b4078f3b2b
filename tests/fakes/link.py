"""A link to a box that counts, and breaks."""

from __future__ import annotations

import socket
import threading
from contextlib import suppress


class Link:
    """Passes TCP connections on to a box on this machine.

    :param from_box: bytes from the box after which every connection ends at once, and every later one; None: never.
    """

    def __init__(self, port: int, *, from_box: int | None = None) -> None:
        self._port = port
        self._lock = threading.Lock()
        self.to_box: int | None = None
        """The same for bytes to the box; may be set anew at any time."""
        self._from_box = from_box
        self.up = 0
        """Bytes that went to the box, with everything around them."""
        self._server = socket.create_server(("127.0.0.1", 0))
        self.address = f"127.0.0.1:{self._server.getsockname()[1]}"
        self._open = set[socket.socket]()
        self._threads = [threading.Thread(target=self._accept)]
        self._threads[0].start()

    def close(self) -> None:
        self._server.shutdown(socket.SHUT_RDWR)
        self._threads[0].join()
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
                for one, other, up in ((near, far, True), (far, near, False)):
                    thread = threading.Thread(target=self._carry, args=(one, other, up))
                    self._threads.append(thread)
                    thread.start()

    def _carry(self, one: socket.socket, other: socket.socket, up: bool) -> None:
        with suppress(OSError):
            while body := one.recv(16384):
                if not self._pay(len(body), up):
                    self._cut()
                    break
                other.sendall(body)
        for end in (one, other):
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
        one.close()
        with self._lock:
            self._open.discard(one)

    def _pay(self, size: int, up: bool) -> bool:
        with self._lock:
            left = self.to_box if up else self._from_box
            paid = left is None or left >= size
            if left is not None:
                left = left - size if paid else 0
            if up:
                self.to_box = left
                self.up += size if paid else 0
            else:
                self._from_box = left
            return paid

    def _cut(self) -> None:
        with self._lock:
            for end in self._open:
                with suppress(OSError):
                    end.shutdown(socket.SHUT_RDWR)
