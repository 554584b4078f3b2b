"""A large plant: finding five hundred announced boxes, and following them all at once."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from app.context import Context
from app.store import boxes as box_store
from app.store.records import Box
from app.usecases import finding, sites
from app.usecases.following import Following
from tests.bench.measure import Figure, Goal
from tests.waiting import wait_until

COUNT = 500
FOLLOWED_S = 20.0
PAGE = os.sysconf("SC_PAGE_SIZE")


@contextmanager
def plant(folder: Path, desktop: Path, *, announce: bool) -> Iterator[list[dict[str, Any]]]:
    """The boxes, in a process of their own."""
    command = [sys.executable, "-m", "tests.bench.many_boxes", str(folder), str(COUNT), str(desktop)]
    with subprocess.Popen(
        [*command, *(["--announce"] if announce else [])], stdout=subprocess.PIPE, text=True
    ) as process:
        try:
            assert process.stdout is not None
            yield json.loads(process.stdout.readline())
        finally:
            process.kill()


def measure() -> list[Figure]:
    with TemporaryDirectory() as name:
        folder = Path(name)
        with (
            sites.create_site(folder / "site", "Bench", "only for this measurement") as ctx,
            plant(folder / "announced", ctx.identity.certificate_path, announce=True) as told,
        ):
            found = discovery(ctx, {box["box"] for box in told})
        command = [sys.executable, "-m", "tests.bench.fleet", str(folder)]
        done = subprocess.run(command, check=True, capture_output=True, text=True)
    return [found, *(Figure(**{**body, "goal": Goal(**body["goal"])}) for body in json.loads(done.stdout))]


def discovery(ctx: Context, expected: set[str]) -> Figure:
    start = time.perf_counter()
    report = finding.scan(ctx, finding.ScanRequest(seconds=20.0), expected=expected)
    took_s = time.perf_counter() - start
    require_found({one.seen.box for one in report.found if one.seen.proved}, expected)
    return Figure(
        what=f"Find {COUNT} announced boxes and prove each one's key",
        reference="the goal",
        unit="s",
        ours=took_s,
        theirs=5.0,
        higher_is_better=False,
        goal=Goal(figure=5.0),
    )


def require_found(proved: set[str], expected: set[str]) -> None:
    """All of them; there may be others in the network of whoever measures."""
    assert expected <= proved, f"{len(proved & expected)} of {len(expected)} boxes were found"


def follow(folder: Path) -> list[dict[str, Any]]:
    """In a process of its own, whose processor time and memory are what is measured."""
    with (
        sites.create_site(folder / "followed-site", "Bench", "only for this measurement") as ctx,
        plant(folder / "followed", ctx.identity.certificate_path, announce=False) as told,
    ):
        for number, box in enumerate(told):
            entered = Box(
                box=box["box"],
                name=f"line-{number:03d}",
                address=f"127.0.0.1:{box['port']}",
                certificate=box["certificate"],
                enrolled_ms=0,
            )
            box_store.put_box(ctx.database, entered)
        errors: list[BaseException] = []
        following = Following(ctx, failed=errors.append)
        try:
            following.look_again()
            wait_until(lambda: all(box.status for box in box_store.list_boxes(ctx.database)), 120, "every box")
            before = {box.box: box.status.serial for box in box_store.list_boxes(ctx.database) if box.status}
            cpu, start = time.process_time(), time.monotonic()
            time.sleep(FOLLOWED_S)
            share = (time.process_time() - cpu) / (time.monotonic() - start)
            after = {box.box: box.status.serial for box in box_store.list_boxes(ctx.database) if box.status}
        finally:
            following.close()
        assert not errors, errors
        heard = sum(after[box] - before[box] for box in before) / FOLLOWED_S
    assert heard > 0.9 * COUNT, f"only {heard:.0f} answers a second"
    memory_mb = int(Path("/proc/self/statm").read_text().split()[1]) * PAGE / 1e6
    common = {"reference": "the goal", "higher_is_better": False}
    what = f"Follow {COUNT} boxes, each asked once a second and kept in SQLite"
    return [
        {
            **common,
            "what": f"{what}: of one core",
            "unit": "%",
            "ours": 100 * share,
            "theirs": 35.0,
            "goal": {"figure": 35},
        },
        {
            **common,
            "what": f"{what}: memory",
            "unit": "MB",
            "ours": memory_mb,
            "theirs": 250.0,
            "goal": {"figure": 250},
        },
    ]


if __name__ == "__main__":
    print(json.dumps(follow(Path(sys.argv[1]))))
