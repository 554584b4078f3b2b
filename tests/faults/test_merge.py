"""Whatever becomes of desktops and the network between them: in the end all have the same, and nothing is lost unseen.

``LINESIDE_FAULT_ROUNDS`` makes it look for histories that nobody has seen yet; without it there is a short share.
"""

from __future__ import annotations

import os
import tempfile
from contextlib import ExitStack
from functools import cache
from pathlib import Path

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule

from app.store.database import Database
from app.store.records import Box
from edge_runtime.identity import create_identity
from tests.unit.sync.desktops import SAMPLES, Site

ROUNDS = int(os.environ.get("LINESIDE_FAULT_ROUNDS", "0"))
NAMES = ("a", "b", "c")
YEAR_MS = 365 * 86_400_000
CLOCKS = (0, -57 * YEAR_MS, 73 * YEAR_MS, 3_600_000, -3_600_000)
"""As it should be, 1970, 2100, and an hour each way."""
MOST_DESKTOPS = 5

# What a power cut does is not asked here, and the disk is not waited for.
MEMORY = "/dev/shm" if Path("/dev/shm").is_dir() else None

who = st.integers(0, MOST_DESKTOPS - 1)


@cache
def boxes() -> tuple[Box, ...]:
    with tempfile.TemporaryDirectory() as folder:
        made = [create_identity(Path(folder) / name, name) for name in ("line-1", "line-2")]
        return tuple(
            Box(box=one.fingerprint, name="", address="", certificate=one.certificate_pem, enrolled_ms=1)
            for one in made
        )


@cache
def empty_database() -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "empty.db"
        Database.open(path, replica="0").close()
        return path.read_bytes()


class Laptops(RuleBasedStateMachine):
    """Three laptops, their backups and their copies, on one store."""

    @initialize()
    def start(self) -> None:
        self.stack = ExitStack()
        folder = Path(self.stack.enter_context(tempfile.TemporaryDirectory(dir=MEMORY)))
        self.site = Site(folder, boxes(), empty_database())
        self.backups: list[tuple[str, Path]] = []
        for name in NAMES:
            self.site.add(name)

    def name(self, number: int) -> str:
        names = list(self.site.desktops)
        return names[number % len(names)]

    @rule(number=who, which=st.integers(0, 1), column=st.sampled_from(["name", "address"]))
    def write_box(self, number: int, which: int, column: str) -> None:
        self.site.write_box(self.name(number), which, column)

    @rule(number=who, which=st.integers(0, 1))
    def delete_box(self, number: int, which: int) -> None:
        self.site.delete_box(self.name(number), which)

    @rule(number=who, sample=st.sampled_from(SAMPLES))
    def label(self, number: int, sample: str) -> None:
        self.site.label(self.name(number), sample)

    @rule(number=who, which=st.integers(0, 1), remove=st.booleans())
    def group(self, number: int, which: int, remove: bool) -> None:
        self.site.group(self.name(number), which, remove)

    @rule(number=who, take=st.booleans())
    def decide(self, number: int, take: bool) -> None:
        self.site.decide(self.name(number), take)

    @rule(number=who)
    def sync(self, number: int) -> None:
        self.site.sync(self.name(number))

    @rule(number=who, call=st.integers(1, 8), after=st.booleans())
    def sync_until_killed(self, number: int, call: int, after: bool) -> None:
        self.site.store.kill_at, self.site.store.kill_after = call, after
        self.site.sync(self.name(number))
        self.site.store.kill_at = None

    @rule(writer=who, reader=who, call=st.integers(0, 12), after=st.booleans())
    def meet_by_stick(self, writer: int, reader: int, call: int, after: bool) -> None:
        self.site.stick.kill_at, self.site.stick.kill_after = call or None, after
        self.site.meet_by_stick(self.name(writer), self.name(reader))

    @rule(number=who, clock=st.sampled_from(CLOCKS))
    def set_clock(self, number: int, clock: int) -> None:
        self.site.desktops[self.name(number)].offset_ms = clock

    @rule(hidden=st.sets(st.sampled_from(NAMES)), repeated=st.booleans())
    def lists_are_wrong(self, hidden: set[str], repeated: bool) -> None:
        self.site.store.hidden = frozenset(name * 64 for name in hidden)
        self.site.store.repeated = repeated

    @rule(number=who)
    def the_store_loses_ends(self, number: int) -> None:
        self.site.store.lose_ends(self.site.desktops[self.name(number)].db.replica)

    @rule(number=who)
    def back_up(self, number: int) -> None:
        name = self.name(number)
        path = self.site.folder / f"{name}.{len(self.backups)}.backup"
        self.site.desktops[name].back_up(path)
        self.backups.append((name, path))

    @precondition(lambda self: self.backups)
    @rule(number=st.integers(0, 100))
    def restore(self, number: int) -> None:
        name, path = self.backups[number % len(self.backups)]
        self.site.restore(name, path)

    @precondition(lambda self: len(self.site.desktops) < MOST_DESKTOPS)
    @rule(number=who)
    def copy_a_laptop(self, number: int) -> None:
        self.site.clone(self.name(number), f"copy {len(self.site.desktops)}")

    def teardown(self) -> None:
        if not hasattr(self, "stack"):
            return
        with self.stack:
            try:
                self.site.check(self.site.settle())
            finally:
                self.site.close()


TestLaptops = Laptops.TestCase
TestLaptops.settings = settings(
    max_examples=ROUNDS or 12,
    stateful_step_count=40 if ROUNDS else 20,
    derandomize=not ROUNDS,
    deadline=None,
    suppress_health_check=list(HealthCheck),
)
