"""A link in user space: a proxy that lets so many bytes a second through and drops every connection now and then."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field

PIECE = 16 * 1024


@dataclass
class PoorLink:
    """What the other side of it is, and how poor it is."""

    to: tuple[str, int]
    bytes_per_s: float
    drops_every_s: float
    port: int = 0
    drops: int = 0
    """Times at which open connections were cut."""
    carried: int = 0
    """Bytes towards the other side."""
    _open: set[socket.socket] = field(default_factory=set)
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _ended: threading.Event = field(default_factory=threading.Event)

    def accept(self, listener: socket.socket) -> None:
        while not self._ended.is_set():
            try:
                near, _address = listener.accept()
            except OSError:
                return
            try:
                far = socket.create_connection(self.to, timeout=60)
            except OSError:
                near.close()
                continue
            far.settimeout(None)
            with self._lock:
                self._open |= {near, far}
            for source, target, up in ((near, far, True), (far, near, False)):
                threading.Thread(target=self._pump, args=(source, target, up), daemon=True).start()

    def drop(self) -> None:
        """Cut every connection each time that the time is up."""
        while not self._ended.wait(self.drops_every_s):
            self.cut()

    def cut(self) -> None:
        with self._lock:
            cut, self._open = self._open, set()
        self.drops += bool(cut)
        for end in cut:
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
            end.close()

    def end(self) -> None:
        self._ended.set()
        self.cut()

    def _pump(self, source: socket.socket, target: socket.socket, up: bool) -> None:
        with suppress(OSError):
            while piece := source.recv(PIECE):
                if up:
                    time.sleep(len(piece) / self.bytes_per_s)
                    self.carried += len(piece)
                target.sendall(piece)
        for end in (source, target):
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)


@contextmanager
def poor_link(to: tuple[str, int], *, bytes_per_s: float, drops_every_s: float) -> Iterator[PoorLink]:
    """:param drops_every_s: also where nothing is open."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        link = PoorLink(to, bytes_per_s, drops_every_s, listener.getsockname()[1])
        threads = [
            threading.Thread(target=link.accept, args=(listener,), daemon=True),
            threading.Thread(target=link.drop, daemon=True),
        ]
        for thread in threads:
            thread.start()
        try:
            yield link
        finally:
            link.end()
            with suppress(OSError):
                listener.shutdown(socket.SHUT_RDWR)
            for thread in threads:
                thread.join(60)
