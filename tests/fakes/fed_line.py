"""A line that gets a frame every so often, whatever its box does, and what came of each."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path

import cv2
import numpy as np

from app.fleet.client import BoxClient
from edge_runtime.contracts.rows import ResultRow

EVERY_S = 0.05
SIDE = 16


@dataclass
class FedLine:
    """Frames in one folder, each another picture of the same brightness."""

    frames: Path
    first: int
    """Number of the first one."""
    level: int = 100
    put: list[str] = field(default_factory=list)
    _stop: threading.Event = field(default_factory=threading.Event)

    def feed(self) -> None:
        while not self._stop.wait(EVERY_S):
            number = self.first + len(self.put)
            picture = np.full((SIDE, SIDE), self.level, np.uint8)
            # Another picture each time, though as bright: frames are known by their bytes.
            picture.flat[:8] = [self.level - (number >> bit) % 2 for bit in range(8)]
            ok, encoded = cv2.imencode(".png", picture)
            assert ok
            name = f"frame-{number:06}.png"
            part = self.frames / f"{name}.part"
            part.write_bytes(encoded.tobytes() + number.to_bytes(4, "big"))
            part.rename(self.frames / name)
            self.put.append(name)

    def stop(self) -> None:
        self._stop.set()


@dataclass(frozen=True)
class Account:
    """What a box says of the frames of its line."""

    answers: tuple[ResultRow, ...]

    def missing(self, put: list[str]) -> list[str]:
        """Frames without an answer."""
        return sorted(set(put) - {row.frame for row in self.answers})

    @property
    def twice(self) -> list[str]:
        """Frames that were answered more than once."""
        return [name for name, count in Counter(row.frame for row in self.answers).items() if count > 1]

    @property
    def longest_gap_ms(self) -> int:
        """Between two answers, by the box's clock."""
        times = sorted(row.at_ms for row in self.answers)
        return max((later - earlier for earlier, later in pairwise(times)), default=0)

    def gap_around_ms(self, before: str, after: str) -> int:
        """From the last answer of one model to the first that another one gave after it."""
        last = max(row.at_ms for row in self.answers if row.model == before)
        return min(row.at_ms for row in self.answers if row.model == after and row.at_ms >= last) - last


def account(client: BoxClient) -> Account:
    """Everything that the box has answered; nothing is acknowledged, so it keeps it."""
    found: list[ResultRow] = []
    cursor, more = 0, True
    while more:
        page = client.page("results", cursor, 2000)
        found += [row for row in page.rows if isinstance(row, ResultRow)]
        cursor, more = page.cursor, page.more
    return Account(tuple(found))


@contextmanager
def fed(frames: Path) -> Iterator[FedLine]:
    """Frames come until the end of the block."""
    line = FedLine(frames, sum(1 for _ in frames.iterdir()))
    thread = threading.Thread(target=line.feed, name="feeder")
    thread.start()
    try:
        yield line
    finally:
        line.stop()
        thread.join()
