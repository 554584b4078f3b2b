"""Another version of a model on a box whose programs ask it as fast as it answers: what they notice of the change.

A real box: the new version is delivered by a desktop, probed, tried and committed while the load goes on. ``python -m
tests.bench.swap`` runs this part alone.
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from edge_runtime.identity import create_identity
from tests.bench.measure import Figure, Goal
from tests.bench.serving import MANY, binary_question
from tests.fakes import models, weights
from tests.fakes.box_process import BoxProcess, install, make_box, wait_for_slot
from tests.fakes.rolling_site import free_port
from tests.fakes.site import FakeSite

REQUESTS = 100_000
SWAPS = 5
CALM_S = 4.0
"""Between two swaps: windows in which nothing happens, for comparison."""
WINDOW_S = 1.0
MODEL_BYTES = 4 * 2**20
CONFIG = """\
name = "line-2"
[management]
listen = "127.0.0.1:0"
announce = false
pairing = ""
[inference]
http = "127.0.0.1:{port}"
[spool]
reserve_bytes = 0
[update]
trial_seconds = 1.0
[[pipeline]]
name = "camera"
source = "folder:{frames}"
"""


@dataclass(frozen=True, slots=True)
class Swap:
    """From the first byte that is delivered until the new version is committed; seconds on the monotonic clock."""

    began_s: float
    ended_s: float


@dataclass(frozen=True, slots=True)
class Seen:
    """What the programs saw."""

    answers: int
    failures: int
    calm_p99_ms: float
    """Of the window in the middle, of those in which nothing happened."""
    worst_p99_ms: float
    """Of the worst window that a swap touches."""
    longest_ms: float


class Load:
    """A process that asks without a pause."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process

    def end(self) -> tuple[list[tuple[float, float]], int]:
        """When each answer came and how long it took; requests that failed."""
        told, _ = self._process.communicate()
        facts = json.loads(told)
        return facts["answered"], facts["failures"]


@contextmanager
def steady_load(address: str, request: Path, connections: int) -> Iterator[Load]:
    command = [sys.executable, "-m", "tests.bench.steady_load", address, str(request), str(connections)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == "\n", "no request was answered"
            yield Load(process)
        finally:
            process.kill()


def judge(answered: list[tuple[float, float]], failures: int, swaps: list[Swap]) -> Seen:
    """The 99th percentiles of windows of one second, of those that a swap touches and of the others."""
    begin_s = answered[0][0]
    windows: dict[int, list[float]] = defaultdict(list)
    for came_s, took_ms in answered:
        windows[int((came_s - begin_s) / WINDOW_S)].append(took_ms)
    # The first lacks the connections that came last, the last is not whole.
    whole = range(1, max(windows))
    p99 = {
        window: float(np.percentile(windows[window], 99)) if windows[window] else WINDOW_S * 1000 for window in whole
    }
    touched = {
        window
        for swap in swaps
        for window in range(int((swap.began_s - begin_s) / WINDOW_S), int((swap.ended_s - begin_s) / WINDOW_S) + 1)
    }
    return Seen(
        answers=len(answered),
        failures=failures,
        calm_p99_ms=statistics.median(p99[window] for window in whole if window not in touched),
        worst_p99_ms=max(p99[window] for window in whole if window in touched),
        longest_ms=max(took_ms for _, took_ms in answered),
    )


def swap_under_load(folder: Path) -> Seen:
    """Deliver and commit :data:`SWAPS` versions while :data:`MANY` connections ask."""
    site, desktop, port = FakeSite(folder / "site"), create_identity(folder / "desktop", "bench"), free_port()
    config = CONFIG.replace("{port}", str(port))
    box: BoxProcess = make_box(folder, desktop, site, config)
    box.start()
    try:
        heavy = weights.heavy_model(weights.int8_weights(MODEL_BYTES))
        with box.client(desktop) as client:
            install(client, site, site.release("1.0.0", model=heavy))
            wait_for_slot(client, "1.0.0", "COMMITTED")
        question = binary_question("parts", "frame", np.full((1, 1, models.SIDE, models.SIDE), 200, np.uint8))
        head = f"POST {question.path} HTTP/1.1\r\nHost: box\r\nContent-Length: {len(question.body)}\r\n"
        lines = "".join(f"{name}: {value}\r\n" for name, value in question.headers.items())
        request = folder / "request"
        request.write_bytes(f"{head}{lines}\r\n".encode() + question.body)
        releases = [
            site.release(f"1.0.{number}", model=weights.heavy_model(weights.int8_weights(MODEL_BYTES, seed=number)))
            for number in range(1, SWAPS + 1)
        ]
        swaps: list[Swap] = []
        with steady_load(f"127.0.0.1:{port}", request, MANY) as load:
            for release in releases:
                time.sleep(CALM_S)
                began_s = time.monotonic()
                with box.client(desktop) as client:
                    install(client, site, release)
                    wait_for_slot(client, release.manifest.version, "COMMITTED")
                swaps.append(Swap(began_s, time.monotonic()))
            time.sleep(CALM_S)
            answered, failures = load.end()
        return judge(answered, failures, swaps)
    finally:
        box.stop()


def measure() -> list[Figure]:
    with TemporaryDirectory() as name:
        seen = swap_under_load(Path(name))
    if seen.answers < REQUESTS:
        raise AssertionError(f"Only {seen.answers:,} requests were answered, which proves too little.")
    what = f"{SWAPS} new versions of 4 MB on a box that {MANY} connections ask without a pause"
    return [
        Figure(
            what=f"{what}: lost of {seen.answers:,} requests",
            reference="all of them",
            unit="requests",
            ours=seen.failures,
            theirs=seen.answers,
            higher_is_better=False,
            goal=Goal(figure=0),
        ),
        Figure(
            what=f"{what}: worst 99th percentile of one second, more than in a calm one",
            reference="the 99th percentile of a calm second",
            unit="ms",
            ours=seen.worst_p99_ms - seen.calm_p99_ms,
            theirs=seen.calm_p99_ms,
            higher_is_better=False,
            goal=Goal(figure=20),
        ),
    ]


if __name__ == "__main__":
    for figure in measure():
        print(f"{figure.what}: {figure.ours:.3g} {figure.unit}, beside {figure.theirs:.3g}, {figure.reference}")
