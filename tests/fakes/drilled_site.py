"""Boxes with a line that runs and a committed model, for drills."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from app.usecases import rollouts
from app.usecases.rollout_runner import follow_rollout
from edge_runtime.enrolment import address_file
from tests.fakes import models
from tests.fakes.rolling_site import RollingSite
from tests.fakes.running_box import RunningBox
from tests.waiting import wait_until

SUPERVISE = Path(__file__).parents[2] / "app" / "fleet" / "ssh" / "hand" / "supervise.py"
FRAME_EVERY_S = 0.05


def put_model(plant: RollingSite, name: str) -> None:
    """Release 1.0.0 and have the box commit it."""
    plant.release("1.0.0")
    started = rollouts.start_rollout(plant.ctx, "1.0.0", waves=[[name]])
    assert follow_rollout(plant.ctx, started.rollout).state == "done"


@contextmanager
def running_line(frames: Path) -> Iterator[None]:
    """Frames come all the while, some twenty a second."""
    stop = threading.Event()

    def feed() -> None:
        number = 0
        while not stop.wait(FRAME_EVERY_S):
            part = frames / f"live-{number:06}.png.part"
            part.write_bytes(models.frame(number % 250) + number.to_bytes(4, "big"))
            part.rename(part.with_suffix(""))
            number += 1

    feeder = threading.Thread(target=feed, name="feeder")
    feeder.start()
    try:
        yield
    finally:
        stop.set()
        feeder.join()


@contextmanager
def supervised(box: RunningBox) -> Iterator[subprocess.Popen[bytes]]:
    """The box under the real supervisor, which starts it again whenever it ends."""
    box.kill()
    program = box.home.parent / f"{box.home.name}-program"
    program.write_text(f'#!/bin/sh\nexec {sys.executable} -m edge_runtime "$@"\n')
    program.chmod(0o755)
    keeper = subprocess.Popen([sys.executable, SUPERVISE, box.home, program], cwd=Path(__file__).parents[2])
    try:
        wait_until(address_file(box.home).exists, 20, "the box to listen")
        yield keeper
    finally:
        keeper.terminate()
        keeper.wait(60)
