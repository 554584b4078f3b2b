"""Folders on a share whose server is gone: every call into them hangs in the kernel, from the start on or later."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from app.fleet.client import BoxClient
from edge_runtime.contracts import wire
from edge_runtime.contracts.rows import AlertRow
from edge_runtime.contracts.status import PipelineStatus
from edge_runtime.identity import Identity, create_identity
from edge_runtime.service.crashes import Life
from edge_runtime.service.lines import SOURCE_HANGS
from tests.fakes import dead_share, models
from tests.fakes.box_process import BoxProcess, make_box
from tests.fakes.dead_share import DeadShare
from tests.fakes.edge_toml import named
from tests.fakes.site import FakeSite
from tests.faults.test_watchdog import PATIENCE_S, hear, systemd
from tests.waiting import wait_until

pytestmark = dead_share.needed
DEAD, KNOWN = "{frames}-dead", "{frames}-known"
SOURCES = {
    "looked-at": f"folder:{DEAD}",
    "listed": f"folder:{KNOWN}",
    "replayed": f"replay:{DEAD}/pictures",
    "texts": f"lines:{DEAD}/log.txt",
    "points": f"signals:{DEAD}/points",
    "film": f"video:{DEAD}/film.avi",
}
"""By the name of its line, what hangs: in a look at a folder or a file, or in a listing."""
BASE = named("line-2")


@pytest.fixture
def desktop(tmp_path: Path) -> Identity:
    return create_identity(tmp_path / "desktop", "laptop")


@pytest.fixture
def folders(tmp_path: Path) -> tuple[Path, Path]:
    """What the shares are mounted over; there is a picture in each."""
    dead, known = tmp_path / "frames-dead", tmp_path / "frames-known"
    for folder in (dead, known):
        folder.mkdir()
        (folder / "beneath.png").write_bytes(models.frame(1))
    return dead, known


@pytest.fixture
def shares(folders: tuple[Path, Path]) -> Iterator[ExitStack]:
    with ExitStack() as stack:
        yield stack


def lines(client: BoxClient) -> dict[str, PipelineStatus]:
    return {line.name: line for line in client.status().pipelines}


def told(client: BoxClient) -> set[str | None]:
    rows = client.page("alerts", 0, 100).rows
    return {row.pipeline for row in rows if isinstance(row, AlertRow) and row.kind == "source.hangs"}


def is_blamed(box: BoxProcess) -> bool:
    life = wire.decode((box.home / "life.note").read_bytes().rstrip(b"\0 "), Life)
    return bool(life.crashes or life.hung or life.undecoded)


def test_a_box_that_starts_beside_a_dead_share_works_and_its_lines_go_on_when_that_is_gone(
    tmp_path: Path, desktop: Identity, folders: tuple[Path, Path], shares: ExitStack
) -> None:
    more = "".join(
        f'[[pipeline]]\nname = "{name}"\nsource = "{source}"\n' + ("window = 4\n" if name == "points" else "")
        for name, source in SOURCES.items()
    )
    box = make_box(tmp_path, desktop, FakeSite(tmp_path / "site"), BASE + more)
    dead, known = (
        shares.enter_context(DeadShare(folders[0])),
        shares.enter_context(DeadShare(folders[1], knows_folder=True)),
    )
    with systemd(box, f"lineside-share-{os.getpid()}") as channel:
        assert hear(channel, b"READY=1", 60)
        with box.client(desktop) as client:
            box.put_frame("0.png", models.frame(0))
            wait_until(lambda: lines(client)["camera"].frames == 1, 60, "the line beside them")
            wait_until(lambda: told(client) == set(SOURCES), 120, "each of them to be told of")
            now = lines(client)
            assert {now[name].last_error for name in SOURCES} == {SOURCE_HANGS}
            assert {now[name].state for name in SOURCES} == {"no-input"}
            # Far longer than a line may hang in a frame, and what was said before this counts for nothing.
            until = time.monotonic() + 2 * PATIENCE_S
            while time.monotonic() < until:
                hear(channel, b"WATCHDOG=1", 0.1)
            assert hear(channel, b"WATCHDOG=1", 30), "systemd would have killed the box"
            box.put_frame("1.png", models.frame(1))
            wait_until(lambda: lines(client)["camera"].frames == 2, 60, "the line beside them to go on")
            for share in (dead, known):
                share.end()
            wait_until(
                lambda: lines(client)["looked-at"].frames == lines(client)["listed"].frames == 1,
                120,
                "what lies beneath",
            )
            assert SOURCE_HANGS not in {line.last_error for line in lines(client).values()}
        assert box.stop() == 0
    assert not is_blamed(box)


@pytest.mark.parametrize("knows_folder", [False, True], ids=["looked at", "listed"])
def test_a_share_that_dies_while_the_box_runs_stops_its_own_line_alone_and_no_order_to_stop(
    tmp_path: Path, desktop: Identity, folders: tuple[Path, Path], shares: ExitStack, knows_folder: bool
) -> None:
    share = f'[[pipeline]]\nname = "share"\nsource = "folder:{DEAD}"\n'
    box = make_box(tmp_path, desktop, FakeSite(tmp_path / "site"), BASE + share)
    with systemd(box, f"lineside-dies-{os.getpid()}") as channel:
        assert hear(channel, b"READY=1", 60)
        with box.client(desktop) as client:
            wait_until(lambda: lines(client)["share"].frames == 1, 60, "the share's first frame")
            shares.enter_context(DeadShare(folders[0], knows_folder=knows_folder))
            wait_until(lambda: told(client) == {"share"}, 60, "that the share is dead")
            box.put_frame("0.png", models.frame(0))
            wait_until(lambda: lines(client)["camera"].frames == 1, 60, "the line beside it")
        # While it is dead.
        assert box.stop() == 0
    assert not is_blamed(box)
