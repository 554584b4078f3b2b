"""What the daemon logs: a rotating file for afterwards, a ring in memory for a desktop that asks."""

from __future__ import annotations

import logging
import sys
import threading
from collections import deque
from contextlib import suppress
from logging.handlers import RotatingFileHandler
from pathlib import Path

from edge_runtime.update.durable import make_folder

RING_LINES = 2_000
FILE_BYTES = 2**20
FILES = 3
_FORMAT = "%(asctime)s %(levelname)s %(name)s: %(message)s"


class LineFormatter(logging.Formatter):
    """One record, one line: what a frame's name or a peer brings along cannot forge another entry."""

    def format(self, record: logging.LogRecord) -> str:
        text = super().format(record)
        return "".join(
            c if c.isprintable() else {"\n": " | ", "\t": " "}.get(c, "\N{REPLACEMENT CHARACTER}") for c in text
        )


class LogRing(logging.Handler):
    """The last lines, numbered from 1 since the start."""

    def __init__(self) -> None:
        super().__init__()
        self._lines: deque[str] = deque(maxlen=RING_LINES)
        self._last = 0
        self._guard = threading.Lock()

    def emit(self, record: logging.LogRecord) -> None:
        line = self.format(record)
        with self._guard:
            self._lines.append(line)
            self._last += 1

    def after(self, number: int, limit: int) -> tuple[list[str], int]:
        """Up to ``limit`` lines after the one numbered ``number``, and the number of the last of them."""
        with self._guard:
            first = self._last - len(self._lines)
            start = max(0, number - first)
            lines = [self._lines[i] for i in range(start, min(start + max(0, limit), len(self._lines)))]
            return lines, max(first + start, 0) + len(lines)


class LogFile(RotatingFileHandler):
    """Loses the lines that the disk does not take, and nothing but them."""

    def handleError(self, record: logging.LogRecord) -> None:
        if not isinstance(sys.exc_info()[1], OSError):
            super().handleError(record)
            return
        # With what it still holds: it would come out twice.
        stream, self.stream = self.stream, None
        if stream is not None:
            with suppress(OSError):
                stream.close()


def start_logging(folder: Path) -> LogRing:
    """Send everything from INFO up to ``folder/edge.log`` and to the ring, until :func:`stop_logging`."""
    make_folder(folder)
    ring = LogRing()
    file = LogFile(folder / "edge.log", maxBytes=FILE_BYTES, backupCount=FILES, encoding="utf-8", delay=True)
    root = logging.getLogger()
    root.setLevel(logging.INFO)
    for handler in (ring, file):
        handler.setFormatter(LineFormatter(_FORMAT))
        root.addHandler(handler)
    # The TUF client tells every file it reads, the server every start.
    for chatty in ("tuf", "uvicorn.error", "zeroconf"):
        logging.getLogger(chatty).setLevel(logging.WARNING)
    return ring


def stop_logging() -> None:
    """Close and remove every handler that writes for this daemon."""
    root = logging.getLogger()
    for handler in list(root.handlers):
        if isinstance(handler, LogRing | RotatingFileHandler):
            root.removeHandler(handler)
            handler.close()
