"""A real box at full load for a long time: its memory must stay flat, no descriptor may leak and no request be lost,
while its model is swapped, programs ask it over HTTP and gRPC, and its spool is at its limit.

``python -m tests.faults.soak --minutes 20`` prints a line every half a minute and the judgement at the end.
"""

from __future__ import annotations

import argparse
import itertools
import os
import statistics
import sys
import tempfile
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import cv2
import numpy as np
import tritonclient.grpc as triton

from app.fleet.client import BoxClient
from edge_runtime.contracts.rows import STREAMS, LossRow
from edge_runtime.identity import Identity, create_identity
from tests.fakes.box_process import BoxProcess, install, make_box, wait_for_slot
from tests.fakes.site import FakeSite
from tests.waiting import wait_until

AHEAD = 300
"""Frames that wait before the box at any time: it is never idle."""
MOST_GROWTH = 0.05
SWAPS = 8
"""How often the model is replaced, in even distances."""
VISIT_EVERY_S = 10.0
"""Long enough for the results to reach their limit in between."""
SPARE_DESCRIPTORS = 8
"""A connection or a file that happens to be open when somebody looks."""
CONFIG = """\
name = "soak"
[management]
listen = "127.0.0.1:0"
announce = false
pairing = ""
[inference]
http = "127.0.0.1:0"
grpc = "127.0.0.1:0"
[spool]
reserve_bytes = 0
[spool.results]
max_bytes = 262144
[spool.random_samples]
max_bytes = 1048576
[[pipeline]]
name = "camera"
source = "folder:{frames}"
keep_random = 0.02
workers = 2
[update]
trial_frames = 5
trial_seconds = 60.0
"""


@dataclass(frozen=True, slots=True)
class Reading:
    """What the process held at one moment."""

    at_s: float
    memory_bytes: int
    """What it has taken for itself; pages of files come and go as the kernel pleases."""
    descriptors: int
    frames: int


@dataclass(frozen=True, slots=True)
class Judgement:
    """Whether it may go on for a year."""

    growth: float
    """Of memory, from after the warm-up to the end."""
    descriptors: int
    """More than after the warm-up."""
    frames: int
    swaps: int = 0
    lost: int = 0
    """Results that went under the spool's limit: there must be some, or it was never reached."""
    failed: Sequence[str] = ()
    """What went wrong with requests for inference."""

    @property
    def sound(self) -> bool:
        flat = self.growth < MOST_GROWTH and self.descriptors <= SPARE_DESCRIPTORS
        return flat and self.swaps == SWAPS and self.lost > 0 and not self.failed


def judge(readings: Sequence[Reading]) -> Judgement:
    """The first fifth is warm-up; medians over a tenth of the time on each side are compared."""
    tenth = max(1, len(readings) // 10)
    early, late = readings[2 * tenth : 3 * tenth], readings[-tenth:]
    before, after = (statistics.median(reading.memory_bytes for reading in part) for part in (early, late))
    opened = min(r.descriptors for r in late) - max(r.descriptors for r in early)
    return Judgement(after / before - 1, max(0, opened), readings[-1].frames - readings[0].frames)


class Feeder:
    """Keeps frames waiting before the box, and clears away those that it has answered."""

    def __init__(self, folder: Path, templates: Path) -> None:
        self._folder = folder
        self._templates = sorted(templates.iterdir())
        self._names = (f"{number:09}.jpg" for number in itertools.count())
        self._waiting: list[Path] = []
        self._made = 0

    def feed(self, answered: int) -> None:
        """:param answered: how many frames the box has dealt with up to now."""
        while self._made - answered < AHEAD:
            path = self._folder / next(self._names)
            os.link(self._templates[self._made % len(self._templates)], path)
            self._waiting.append(path)
            self._made += 1
        done = max(0, answered - (self._made - len(self._waiting)) - AHEAD)
        for path in self._waiting[:done]:
            path.unlink()
        del self._waiting[:done]


def write_templates(folder: Path) -> None:
    folder.mkdir()
    rng = np.random.default_rng(7)
    for number in range(50):
        small = rng.integers(0, 255, (60, 80, 3), np.uint8)
        cv2.imwrite(str(folder / f"{number:03}.jpg"), cv2.resize(small, (640, 480), interpolation=cv2.INTER_CUBIC))


def collect(client: BoxClient) -> int:
    """What a desktop does when it comes by; how many results were lost since it was here last."""
    lost = 0
    for stream in STREAMS:
        while (page := client.page(stream, 0)).rows:
            lost += sum(row.count for row in page.rows if isinstance(row, LossRow) and row.stream == "results")
            client.acknowledge(stream, page.cursor)
    return lost


def read(process: int, started: float, frames: int) -> Reading:
    status = dict(line.split(":", 1) for line in Path(f"/proc/{process}/status").read_text().splitlines())
    memory_kib = sum(int(status[name].split()[0]) for name in ("RssAnon", "VmSwap"))
    descriptors = len(list(Path(f"/proc/{process}/fd").iterdir()))
    return Reading(time.monotonic() - started, memory_kib * 1024, descriptors, frames)


def repeat(work: Callable[[], object], stop: threading.Event, failed: list[str]) -> threading.Thread:
    def run() -> None:
        while not stop.is_set():
            try:
                work()
            except Exception as error:  # noqa: BLE001 - it is judged at the end
                failed.append(f"{type(error).__name__}: {error}")
                return

    thread = threading.Thread(target=run)
    thread.start()
    return thread


def soak(
    box: BoxProcess, desktop: Identity, site: FakeSite, seconds: float, tell: Callable[[Reading], None]
) -> Judgement:
    """Load a box that is not started yet for ``seconds``, and judge it."""
    write_templates(box.home.parent / "templates")
    feeder = Feeder(box.frames, box.home.parent / "templates")
    box.start()
    assert box.process is not None
    readings: list[Reading] = []
    with box.client(desktop) as client:
        install(client, site, site.release("1.0.0"))
        wait_for_slot(client, "1.0.0", "TRIAL")
        feeder.feed(0)
        wait_for_slot(client, "1.0.0", "COMMITTED")
        where = wait_until(lambda: client.status().inference, 30, "the inference listeners")
        ask, stop = asker(where["http"]), threading.Event()
        failed: list[str] = []
        lost = swaps = 0
        with grpc_asker(where["grpc"]) as ask_grpc:
            clients = [repeat(each, stop, failed) for each in (ask, ask, ask_grpc)]
            started = next_look = time.monotonic()
            next_visit, next_swap = started, started + seconds / (SWAPS + 1)
            try:
                while (now := time.monotonic()) < started + seconds:
                    status = client.status()
                    frames = status.pipelines[0].frames + status.pipelines[0].errors
                    feeder.feed(frames)
                    if now >= next_visit:
                        lost += collect(client)
                        next_visit = now + VISIT_EVERY_S
                    if now >= next_swap and swaps < SWAPS:
                        swaps += 1
                        install(client, site, site.release(version_after(swaps)))
                        next_swap += seconds / (SWAPS + 1)
                    if now >= next_look:
                        readings.append(read(box.process.pid, started, frames))
                        tell(readings[-1])
                        next_look = now + seconds / 200
                    serial = status.serial
                    client.status(since=serial, wait_s=0.2)
            finally:
                stop.set()
                for thread in clients:
                    thread.join()
            # The last one was installed, tried on frames, and kept: so were those before, which it replaced.
            feeder.feed(client.status().pipelines[0].frames)
            wait_for_slot(client, version_after(SWAPS), "COMMITTED")
    assert box.stop() == 0
    judged = judge(readings)
    return replace(judged, swaps=swaps, lost=lost, failed=tuple(failed))


def version_after(swaps: int) -> str:
    return f"1.{swaps}.0"


def asker(address: str) -> Callable[[], object]:
    """One request for inference over HTTP, as another program on the box would make it."""
    body = (
        b'{"inputs":[{"name":"frame","datatype":"UINT8","shape":[1,1,8,8],"data":[' + b",".join([b"9"] * 64) + b"]}]}"
    )

    def ask() -> None:
        request = urllib.request.Request(f"http://{address}/v2/models/parts/infer", body, method="POST")
        with urllib.request.urlopen(request, timeout=60) as answer:
            assert answer.status == 200

    return ask


@contextmanager
def grpc_asker(address: str) -> Iterator[Callable[[], object]]:
    """The same over gRPC."""
    picture = triton.InferInput("frame", [1, 1, 8, 8], "UINT8")
    picture.set_data_from_numpy(np.full((1, 1, 8, 8), 9, np.uint8))
    with triton.InferenceServerClient(address) as client:
        yield lambda: client.infer("parts", [picture], client_timeout=60)


def say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("--minutes", type=float, default=20)
    seconds = parser.parse_args().minutes * 60
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        site, desktop = FakeSite(folder / "site"), create_identity(folder / "desktop", "laptop")
        box = make_box(folder, desktop, site, CONFIG)
        told = 0.0

        def tell(reading: Reading) -> None:
            nonlocal told
            if reading.at_s >= told:
                told += 30.0
                memory = reading.memory_bytes / 2**20
                say(
                    f"{reading.at_s:6.0f} s {memory:7.1f} MiB {reading.descriptors:4} descriptors "
                    f"{reading.frames:9,} frames"
                )

        try:
            judgement = soak(box, desktop, site, seconds, tell)
        finally:
            box.end()
    say(
        f"memory {judgement.growth:+.1%} (under {MOST_GROWTH:.0%} is sound), "
        f"{judgement.descriptors} descriptors more, {judgement.frames:,} frames, {judgement.swaps} swaps, "
        f"{judgement.lost:,} results lost under the limit, "
        f"{'; '.join(judgement.failed) or 'every request answered'}: "
        f"{'sound' if judgement.sound else 'NOT SOUND'}"
    )
    return 0 if judgement.sound else 1


if __name__ == "__main__":
    sys.exit(main())
