"""A desktop whose disk is full at the worst moment, in a process of its own: a small disk is seen by nobody else.

Arguments: what it does, the small disk's folder, and one for its boxes. Prints what it told, as JSON.
"""

from __future__ import annotations

import json
import sqlite3
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager, suppress
from pathlib import Path

from app.context import Context, open_context
from app.usecases import box_config, boxes, rollouts, sites
from app.usecases.rollout_runner import follow_rollout
from edge_runtime.contracts.errors import LinesideError
from tests.fakes import models
from tests.fakes.drilled_site import running_line
from tests.fakes.prepared_site import PASSPHRASE, in_library
from tests.fakes.rolling_site import QUICK, RollingSite
from tests.waiting import wait_until


@contextmanager
def full(disk: Path, ctx: Context | None = None) -> Iterator[None]:
    """Meanwhile there is no room, not even what SQLite has in hand already."""
    if ctx is not None:
        with closing(sqlite3.connect(ctx.database.path)) as connection:
            assert connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone() == (0, 0, 0)
    filler = disk / "filler"
    with suppress(OSError), filler.open("wb", buffering=0) as file:
        while file.write(b"\0" * 4096):
            """Until it is full."""
    yield
    filler.unlink()


def said(work: Callable[[], object]) -> dict[str, str]:
    """The error that it raises."""
    try:
        work()
    except LinesideError as error:
        return error.to_dict()
    return {}


def configure(plant: RollingSite, disk: Path) -> dict[str, object]:
    box = plant.add_box("press-1", more="")
    text = (box.home / "edge.toml").read_text() + "keep_random = 0.5\n"
    begun = box_config.begin_set(plant.ctx, "press-1", text)
    with full(disk, plant.ctx):
        told = said(lambda: box_config.follow(plant.ctx, begun))
    counts = (box.home / "edge.toml").read_text() == text
    return {"told": told, "counts": counts, "problem": boxes.get_box(plant.ctx, "press-1").problem}


def roll_out(plant: RollingSite, disk: Path) -> dict[str, object]:
    box = plant.add_box("press-1")
    model = in_library(plant.ctx, disk, "1.0.0", models.brightness_model())
    started = rollouts.start_rollout(plant.ctx, model.model, waves=[["press-1"]])
    with full(disk, plant.ctx):
        told = said(lambda: follow_rollout(plant.ctx, started.rollout))
        asked = said(lambda: boxes.refresh(plant.ctx))
    states, problem = plant.states(started), boxes.get_box(plant.ctx, "press-1").problem
    with running_line(box.frames):
        ended = follow_rollout(plant.ctx, started.rollout).state
    runs = plant.runs("press-1")
    return {"told": told, "asked": asked, "states": states, "problem": problem, "ended": ended, "runs": runs}


def collect(plant: RollingSite, disk: Path) -> dict[str, object]:
    box = plant.add_box("press-1", more=f"keep_random = 1.0\n{QUICK}")
    model = in_library(plant.ctx, disk, "1.0.0", models.brightness_model())
    started = rollouts.start_rollout(plant.ctx, model.model, waves=[["press-1"]])
    with running_line(box.frames):
        assert follow_rollout(plant.ctx, started.rollout).state == "done"

    def waiting() -> dict[str, int]:
        status = boxes.refresh(plant.ctx)[0].status
        assert status is not None
        return {"results": status.spool.results, "samples": status.spool.samples}

    def settled() -> bool:
        status = boxes.refresh(plant.ctx)[0].status
        assert status is not None
        frames = len(list(box.frames.glob("*.png")))
        return status.pipelines[0].frames >= frames and status.spool.in_memory == 0

    wait_until(settled, 60, "the last frame's answer")
    with full(disk, plant.ctx):
        told = said(lambda: boxes.collect(plant.ctx))
        named = said(lambda: boxes.collect(plant.ctx, "press-1"))
    problem, kept = boxes.get_box(plant.ctx, "press-1").problem, waiting()
    report = boxes.collect(plant.ctx)
    came = {"results": report.results, "samples": report.samples}
    return {"told": told, "named": named, "problem": problem, "kept": kept, "came": came, "left": waiting()}


def open_again(disk: Path) -> dict[str, object]:
    """There is no room for the index of the log, which SQLite then calls an error of input or output."""
    with full(disk):
        told = said(lambda: open_context(disk / "desktop").close())
    with open_context(disk / "desktop") as ctx:
        return {"told": told, "boxes": len(boxes.list_boxes(ctx))}


def main(what: str, disk: Path, folder: Path) -> None:
    with ExitStack() as stack:
        ctx = stack.enter_context(sites.create_site(disk / "desktop", "Test site", PASSPHRASE))
        plant = RollingSite(ctx, folder, stack)
        if what == "open":
            stack.close()
            sys.stdout.write(json.dumps(open_again(disk)))
            return
        sys.stdout.write(
            json.dumps({"collect": collect, "configure": configure, "roll-out": roll_out}[what](plant, disk))
        )


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3]))
