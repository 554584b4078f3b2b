"""A body that comes in chunks, put together within bounds. Pure."""

from __future__ import annotations

import re

from edge_runtime.serving.http import HttpResponse, problem

MAX_LINE_BYTES = 8 * 1024
"""Of a chunk's size with whatever is written behind it, and of a trailer."""
# As narrow as the standard: what one reader passes over and another takes for a line moves the end of the body.
_TOKEN = rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+"
_SIZE = re.compile(rb"([0-9A-Fa-f]{1,16})(?:;%b(?:=(?:%b|\"[\t !#-\[\]-~]*\"))?)*" % (_TOKEN, _TOKEN))
_TRAILER = re.compile(rb"%b:[\t -~\x80-\xff]*" % _TOKEN)
SLACK_BYTES = 64 * 1024


class ChunkedBody:
    """Takes bytes as they come, until :attr:`complete`.

    :param max_bytes: of the body; what wraps it may take as much again, and a little more.
    """

    def __init__(self, max_bytes: int) -> None:
        self.complete = False
        self.body = bytearray()
        self.raw = 0
        """Bytes so far, wrapping included."""
        self._max = max_bytes
        self._announced = 0
        self._left = 0
        """Bytes of the chunk that are still to come."""
        self._line = b""
        """What has come of a line that is not over yet."""
        self._expected = "size"

    def feed(self, data: bytes) -> int | HttpResponse:
        """How many of these bytes belong to the body, or the refusal; fewer than all only when it is complete."""
        place = 0
        while place < len(data) and not self.complete:
            if self._expected == "data":
                piece = data[place : place + self._left]
                self._keep(piece)
                place += len(piece)
                continue
            end = data.find(b"\n", place)
            line = self._line + data[place : end if end >= 0 else len(data)]
            if len(line) > MAX_LINE_BYTES:
                return problem(400, "A chunk's size is not followed by the chunk.", close=True)
            if end < 0:
                self._line = line
                place = len(data)
                break
            place, self._line = end + 1, b""
            if refusal := self._take_line(line):
                return refusal
        self.raw += place
        if self.raw > 2 * self._announced + SLACK_BYTES:
            return problem(413, "The body's chunks take far more room than what is in them.", close=True)
        return place

    def _keep(self, piece: bytes) -> None:
        self.body += piece
        self._left -= len(piece)
        if self._left == 0:
            self._expected = "end of data"

    def _take_line(self, line: bytes) -> HttpResponse | None:
        if not line.endswith(b"\r"):
            return problem(400, "A line between chunks does not end as lines do.", close=True)
        line = line[:-1]
        if self._expected == "end of data":
            self._expected = "size"
            return problem(400, "A chunk is longer than its size says.", close=True) if line else None
        if self._expected == "trailer":
            self.complete = not line
            if line and not _TRAILER.fullmatch(line):
                return problem(400, "A line behind the last chunk is no header.", close=True)
            return None
        size = _SIZE.fullmatch(line)
        if size is None:
            return problem(400, "A chunk begins with something that is no size.", close=True)
        self._left = int(size[1], 16)
        self._announced += self._left
        if self._announced > self._max:
            return problem(413, f"A body may have {self._max} bytes.", close=True)
        self._expected = "data" if self._left else "trailer"
        return None
