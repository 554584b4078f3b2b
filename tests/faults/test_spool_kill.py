"""SIGKILL of the real daemon at random moments of spooling, while a desktop collects: nothing is lost, nothing torn.

``LINESIDE_FAULT_ROUNDS`` says how often, ``LINESIDE_FAULT_SEED`` which moments.
"""

from __future__ import annotations

import hashlib
import json
import os
import random
import shutil
import sqlite3
import threading
from collections import Counter
from contextlib import closing, suppress
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from app.fleet.client import BoxClient
from edge_runtime.contracts.errors import BoxRefused, BoxUnreachable, NotFound
from edge_runtime.contracts.rows import STREAMS, LossRow, ResultRow, Row, SampleRow, Stream
from tests.fakes import models
from tests.fakes.box_process import CONFIG, BoxProcess
from tests.faults.conftest import Committed
from tests.waiting import wait_until

ROUNDS = int(os.environ.get("LINESIDE_FAULT_ROUNDS", "6"))
SEED = int(os.environ.get("LINESIDE_FAULT_SEED", "1"))
FRAMES_AT_ONCE = 40
LONGEST_LIFE_S = 0.5
ROOMY = CONFIG.replace("keep_random = 1.0", "keep_random = 0.3")
TIGHT = ROOMY.replace("reserve_bytes = 0", "reserve_bytes = 0\nmax_bytes = 20000")
"""Something has to go all the time, too."""


@dataclass
class Shelf:
    """What a desktop has of a box: rows by their key, as it first saw them."""

    rows: dict[Stream, dict[tuple[str, str, int], Row]] = field(
        default_factory=lambda: {stream: {} for stream in STREAMS}
    )
    cursors: dict[Stream, int] = field(default_factory=lambda: dict.fromkeys(STREAMS, 0))
    missing: int = 0
    """Samples whose bytes had gone before they were fetched."""

    def collect(self, client: BoxClient, moods: random.Random) -> None:
        """One round over the streams; sometimes the acknowledgement does not come."""
        for stream in STREAMS:
            page = client.page(stream, self.cursors[stream], moods.choice((3, 50, 1000)))
            for row in page.rows:
                key = (row.box, row.boot, row.seq)
                # It comes again where the acknowledgement did not, but as the same.
                assert self.rows[stream].setdefault(key, row) == row, f"{stream} {key} came with two contents"
                if isinstance(row, SampleRow):
                    try:
                        # Checked against its digest by the client.
                        client.sample(row.sample)
                    except NotFound:
                        self.missing += 1
            self.cursors[stream] = page.cursor
            if moods.random() < 0.7:
                client.acknowledge(stream, page.cursor)

    def frames(self) -> set[str]:
        """Frames whose answers are here."""
        return {row.frame for row in self.rows["results"].values() if isinstance(row, ResultRow)}

    def lost(self) -> Counter[str]:
        """What the ledger says that went, by stream."""
        losses: Counter[str] = Counter()
        for row in self.rows["losses"].values():
            assert isinstance(row, LossRow)
            losses[row.stream] += row.count
        return losses


class Line:
    """Puts frames before the box, each another one, and clears away those that were collected."""

    def __init__(self, box: BoxProcess) -> None:
        self._box = box
        self.put = 0

    def more(self, count: int) -> None:
        for _ in range(count):
            body = models.frame(self.put % 256) + self.put.to_bytes(4, "big")
            self._box.put_frame(f"frame-{self.put:06}.png", body)
            self.put += 1

    def clear(self, collected: set[str]) -> None:
        for path in self._box.frames.iterdir():
            if path.name in collected:
                path.unlink()


def start(box: BoxProcess) -> None:
    (box.home / "run" / "address.json").unlink(missing_ok=True)
    box.start()


def live_and_die(box: BoxProcess, committed: Committed, line: Line, shelf: Shelf, moods: random.Random) -> None:
    """One life of the box under load, with a desktop collecting, until it is killed."""
    start(box)
    process = box.process
    assert process is not None
    end = threading.Timer(moods.uniform(0.0, LONGEST_LIFE_S), process.kill)
    with suppress(BoxUnreachable, BoxRefused), box.client(committed.desktop) as client:
        end.start()
        while process.poll() is None:
            line.more(5)
            shelf.collect(client, moods)
    end.join()
    process.wait()


def check_files(home: Path, scratch: Path) -> None:
    """What the dead process left, looked at in a copy: sound, and of the right content."""
    shutil.rmtree(scratch, ignore_errors=True)
    scratch.mkdir()
    for path in home.glob("spool.db*"):
        shutil.copy(path, scratch)
    with closing(sqlite3.connect(scratch / "spool.db")) as database:
        assert database.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        for stream in STREAMS:
            bodies = [json.loads(body) for (body,) in database.execute(f"SELECT body FROM {stream}")]
            keys = {(body["box"], body["boot"], body["seq"]) for body in bodies}
            assert len(keys) == len(bodies), f"{stream} has a key twice"
    for path in (home / "samples").glob("*/*"):
        whole = hashlib.sha256(path.read_bytes()).hexdigest() == path.name
        assert whole or path.name.startswith("."), f"{path.name} is torn"


@pytest.mark.timeout(600 + 20 * ROUNDS)
@pytest.mark.parametrize("config", [ROOMY, TIGHT], ids=["with room", "over the limit"])
def test_a_box_that_is_killed_again_and_again_loses_nothing_that_it_does_not_tell_of(
    tmp_path: Path, committed: Committed, config: str
) -> None:
    moods = random.Random(SEED)
    box = committed.copy(tmp_path / "box", tmp_path / "frames", config)
    line, shelf = Line(box), Shelf()
    try:
        for _ in range((ROUNDS + 1) // 2):
            line.more(FRAMES_AT_ONCE)
            live_and_die(box, committed, line, shelf, moods)
            check_files(box.home, tmp_path / "scratch")
            line.clear(shelf.frames())
        start(box)
        with box.client(committed.desktop) as client:

            def everything_is_told() -> bool:
                shelf.collect(client, moods)
                unanswered, lost = line.put - len(shelf.frames()), shelf.lost()
                # A frame that was in hand at two kills is given up: the ledger has it among the frames.
                return unanswered <= lost["results"] + lost["frames"] and not any(waiting(client))

            wait_until(everything_is_told, 60, "an answer to every frame, or a word in the ledger")
        assert box.stop() == 0
        check_files(box.home, tmp_path / "scratch")
    finally:
        box.end()
    if config == ROOMY:
        assert shelf.lost()["results"] == 0
        assert shelf.missing == 0
    assert len(shelf.frames()) > ROUNDS, "hardly anything was answered: nothing was tried"


def waiting(client: BoxClient) -> tuple[int, ...]:
    """Rows that were put but not collected, and frames that are not dealt with yet."""
    spool = client.status().spool
    return spool.in_memory, *(getattr(spool, stream) for stream in ("results", "losses"))
