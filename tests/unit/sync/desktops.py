"""Desktops with real databases on one store behind a poor connection, and what must be true of them in the end."""

from __future__ import annotations

import itertools
import shutil
import sqlite3
from collections import Counter
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from app.store import boxes, conflicts, labels, samples
from app.store.database import Database
from app.store.journal import StoreJournal
from app.store.records import Box
from app.store.stick import StickJournal, StickSnapshots, said
from app.store.tables import TABLES
from app.usecases.exchange import Exchanged, exchange, keep_snapshot, part_from_copy, stamp_anew
from cloud_sync.journal.carried import put_journal, take_journal
from cloud_sync.objects.base import Children
from cloud_sync.objects.folder import FolderStore
from edge_runtime.contracts.errors import LinesideError, ReplicaCopied

PREFIX = f"sites/{'5' * 64}"
NOW_MS = 1_800_000_000_000
SAMPLES = ("a" * 64, "b" * 64)


class Killed(BaseException):
    """The desktop's process ended here."""


class PoorStore(FolderStore):
    """A real folder store. At a call of one's choice the process is killed; what a list says can be wrong."""

    kill_at: int | None = None
    kill_after = False
    hidden: frozenset[str] = frozenset()
    """Folders that lists do not have yet, nor their ends."""
    repeated = False
    calls = 0
    root: Path

    def put(self, key: str, data: bytes) -> None:
        self._before()
        super().put(key, data)
        self._after()

    def get(self, key: str, *, max_bytes: int = 64 * 2**20) -> bytes:
        self._before()
        body = super().get(key, max_bytes=max_bytes)
        self._after()
        return body

    def children(self, prefix: str) -> Children:
        self._before()
        found = super().children(prefix)
        self._after()
        return Children(self._seen(found.folders), self._seen(found.objects))

    def lose_ends(self, replica: str) -> None:
        """What was acknowledged of how far this desktop's journal goes is gone."""
        for path in self.root.rglob(f"journal/{replica}.*"):
            path.unlink()

    def _seen(self, names: tuple[str, ...]) -> tuple[str, ...]:
        found = [name for name in names if name.partition(".")[0] not in self.hidden]
        return tuple(reversed(found * 2)) if self.repeated else tuple(found)

    def _before(self) -> None:
        self.calls += 1
        if self.calls == self.kill_at and not self.kill_after:
            raise Killed

    def _after(self) -> None:
        if self.calls == self.kill_at:
            raise Killed


@dataclass
class Desktop:
    """One laptop."""

    name: str
    path: Path
    number: int
    offset_ms: int = 0
    """How far its clock is ahead."""
    ticks: itertools.count[int] = field(default_factory=itertools.count)
    db: Database = field(init=False)

    def open(self, replica: str) -> None:
        self.replica = replica
        self.db = Database.open(self.path, replica=replica, now_ms=self.now_ms)

    def now_ms(self) -> int:
        return NOW_MS + self.offset_ms + 16 * next(self.ticks) + self.number

    def restart(self) -> None:
        self.db.close()
        self.open(self.replica)

    def back_up(self, to: Path) -> None:
        with closing(sqlite3.connect(self.path)) as source, closing(sqlite3.connect(to)) as target:
            source.backup(target)

    def restore(self, backup: Path) -> None:
        self.db.close()
        for beside in self.path.parent.glob(f"{self.path.name}*"):
            beside.unlink()
        shutil.copyfile(backup, self.path)
        self.open(self.replica)


@dataclass
class Site:
    """A handful of desktops and everything that anybody ever wrote on them."""

    folder: Path
    boxes: tuple[Box, ...]
    empty: bytes
    """A database of this version with nothing in it."""
    desktops: dict[str, Desktop] = field(default_factory=dict)
    number: itertools.count[int] = field(default_factory=lambda: itertools.count(1))
    replaced: dict[str, set[str]] = field(default_factory=dict)
    """Value → the values that whoever wrote it had before them."""
    pending: dict[str, list[tuple[str, str]]] = field(default_factory=dict)
    """Desktop → what it wrote and has not sent: (what of, value)."""
    sent: list[tuple[str, str, str]] = field(default_factory=list)
    """(desktop, what of, value) of everything whose sending was acknowledged."""
    labelled: Counter[str] = field(default_factory=Counter)
    """Label → how often somebody gave it, decisions included."""
    told: Counter[str] = field(default_factory=Counter)
    """Desktop → how often it went on under another id."""

    def __post_init__(self) -> None:
        self.store = PoorStore(self.folder / "store")
        self.store.root = self.folder / "store"
        self.stick = PoorStore(self.folder / "stick")

    def add(self, name: str) -> Desktop:
        """A new laptop."""
        (self.folder / f"{name}.db").write_bytes(self.empty)
        desktop = self.desktops[name] = Desktop(name, self.folder / f"{name}.db", len(self.desktops))
        desktop.open(name[0] * 64)
        self.pending[name] = []
        return desktop

    def clone(self, of: str, name: str) -> None:
        """The disk of a laptop is copied onto another one; both go on."""
        source = self.desktops[of]
        source.back_up(self.folder / f"{name}.db")
        desktop = self.desktops[name] = Desktop(name, self.folder / f"{name}.db", len(self.desktops), source.offset_ms)
        desktop.open(source.replica)
        self.pending[name] = list(self.pending[of])

    def restore(self, name: str, backup: Path) -> None:
        """What was not sent since then is gone."""
        self.desktops[name].restore(backup)
        self.pending[name] = []

    # --- what people do

    def value(self) -> str:
        return f"v{next(self.number)}"

    def write_box(self, name: str, which: int, column: str) -> None:
        db, box, value = self.desktops[name].db, self.boxes[which], self.value()
        standing = {one.box: one for one in boxes.list_boxes(db)}.get(box.box)
        before = {"name": f"new {value}", "address": f"new {value}:1"}
        if standing is not None:
            before = {"name": standing.name, "address": standing.address}
        changed = {**before, column: value}
        self._note(name, "boxes", box.box, changed, before if standing else {})
        boxes.put_box(
            db,
            Box(
                box=box.box,
                name=changed["name"],
                address=changed["address"],
                certificate=box.certificate,
                enrolled_ms=1,
            ),
        )

    def delete_box(self, name: str, which: int) -> None:
        box, db = self.boxes[which].box, self.desktops[name].db
        standing = {one.box: one for one in boxes.list_boxes(db)}.get(box)
        if standing is not None:
            value = self.value()
            had = {standing.name, standing.address} | self._contested(name, "boxes", box)
            self.replaced[value] = had
            boxes.remove_box(db, box)
            self.pending[name].append((f"deleted:{box}", value))

    def label(self, name: str, sample: str) -> None:
        db, value = self.desktops[name].db, self.value()
        db.write(lambda w: samples.put_import(w, sample=sample, frame="1", at_ms=5, media="image/png", size=9))
        samples.add_label(db, sample, value)
        self.labelled[value] += 1
        self.pending[name].append((f"label:{sample}", value))

    def group(self, name: str, which: int, remove: bool) -> None:
        box, db = self.boxes[which].box, self.desktops[name].db
        labels.change_labels(db, box, add=[] if remove else ["hall 2"], remove=["hall 2"] if remove else [])

    def decide(self, name: str, take: bool) -> None:
        db = self.desktops[name].db
        found = conflicts.list_conflicts(db)
        if found:
            one = found[0]
            if one.table == "boxes" and one.field:
                chosen, left = (one.other, one.stands) if take else (one.stands, one.other)
                had = self._contested(name, "boxes", one.key) | {str(left)}
                self.replaced.setdefault(str(chosen), set()).update(had - {str(chosen)})
            elif one.table == "boxes":
                value = self.value()
                self.replaced[value] = self._contested(name, "boxes", one.key)
            elif one.table == conflicts.LABELS:
                self.labelled[one.other if take else one.stands] += 1
            conflicts.decide(db, one.conflict, take=take)

    def _note(self, name: str, table: str, key: str, after: dict[str, str], before: dict[str, str]) -> None:
        for column, value in after.items():
            if before.get(column) != value:
                lost = self._contested(name, table, key)
                self.replaced[value] = ({before[column]} if before else set()) | lost
                self.pending[name].append((f"{column}:{key}", value))

    def _contested(self, name: str, table: str, key: str) -> set[str]:
        """Everything of a row that whoever writes it now has before them, beside what stands."""
        sql = "SELECT lost, held FROM row_clocks WHERE table_name = ? AND row_key = ?"
        found = self.desktops[name].db.read_one(sql, (table, key))
        text = f"{found['lost']} {found['held']}" if found else ""
        return {value for value in self.replaced if f'"{value}"' in text}

    # --- what the network does

    def sync(self, name: str) -> Exchanged | None:
        """None: it did not come to its end."""
        desktop = self.desktops[name]
        waiting = list(self.pending[name])
        try:
            done = exchange(desktop.db, self.store, PREFIX)
        except Killed:
            self._woke(name)
            desktop.restart()
            return None
        self._woke(name)
        self.sent += [(name, what, value) for what, value in waiting]
        self.pending[name] = self.pending[name][len(waiting) :]
        self.told[name] += done.rekeyed is not None
        if not done.pulled.problems and not done.ahead:
            try:
                keep_snapshot(desktop.db, self.store, PREFIX, every=4)
            except Killed:
                desktop.restart()
            self._woke(name)
        return done

    def meet_by_stick(self, writer: str, reader: str) -> None:
        """What the one has goes onto the stick, and from there to the other one."""
        for name, work in ((writer, self._to_stick), (reader, self._from_stick)):
            db = self.desktops[name].db
            try:
                try:
                    work(db)
                except ReplicaCopied:
                    self.told[name] += 1
                    part_from_copy(db, self.stick, PREFIX)
                    work(db)
            except Killed:
                self.desktops[name].restart()
            finally:
                self.stick.kill_at, self.stick.calls = None, 0

    def _to_stick(self, db: Database) -> None:
        put_journal(self.stick, StoreJournal(db), StickSnapshots(db), PREFIX)

    def _from_stick(self, db: Database) -> None:
        take_journal(self.stick, StickJournal(db), StickSnapshots(db), PREFIX, digest=said, now_ms=db.now_ms)

    def _woke(self, name: str) -> None:
        self.store.kill_at, self.store.calls = None, 0

    # --- the end

    def settle(self) -> list[LinesideError]:
        """Clocks are set right, and everybody syncs until nothing moves; what was told in the last round."""
        self.store.hidden, self.store.repeated, self.store.kill_at = frozenset(), False, None
        for desktop in self.desktops.values():
            desktop.offset_ms = 0
        quiet = 0
        for _round in range(16):
            done = [self.sync(name) for name in self.desktops]
            moved = sum(one.pushed.changes + one.pulled.changes for one in done if one is not None)
            for desktop, one in zip(self.desktops.values(), done, strict=True):
                if one is not None and one.ahead:  # whoever is told so looks at the clock, finds it right, and says so
                    stamp_anew(desktop.db, self.store, PREFIX)
                    moved += 1
            # Where the store had lost how far a journal goes, its writer tells it again in the first quiet round.
            quiet = 0 if moved else quiet + 1
            if quiet == 2:
                break
        else:
            raise AssertionError("desktops never agree")
        self.add("newcomer")
        self.sync("newcomer")
        return [problem.error for one in done if one is not None for problem in one.pulled.problems]

    def close(self) -> None:
        for desktop in self.desktops.values():
            desktop.db.close()

    def check(self, problems: list[LinesideError]) -> None:
        """All have the same, and what was acknowledged stands, lost in sight, or was written over by who had it."""
        if problems:  # they were told which desktop's changes do not come, and why
            return
        names = list(self.desktops)
        first = content(self.desktops[names[0]].db)
        for name in names[1:]:
            other = content(self.desktops[name].db)
            wrong = [f"{table}: {first[table]} and {other[table]}" for table in first if first[table] != other[table]]
            assert not wrong, f"{name} differs from {names[0]}: {wrong}; told: {problems}"
        texts = repr(first)
        shown = {value for value in (*self.replaced, *(value for _d, _w, value in self.sent)) if f"'{value}'" in texts}
        shown |= {value for value in self.replaced if f'"{value}"' in texts}
        found = Counter(event["label"] for event in first["label_events"])
        # A copy that was made while the clock was years ahead stamps anew what the other one stamps anew, too.
        copies = 1 + sum(name.startswith("copy") for name in names)
        assert all(count <= copies * self.labelled[value] for value, count in found.items()), f"doubled: {found}"
        for name, what, value in self.sent:
            kind, _of, _place = what.partition(":")
            if kind == "label":
                assert found[value], f"{name} sent label {value}; it is gone"
            elif kind != "deleted":
                followed = any(value in had for had in self.replaced.values())
                assert value in shown or followed, f"{name} sent {what} = {value}; it is gone"


def content(db: Database) -> dict[str, Any]:
    """Everything that desktops have in common."""
    tables: dict[str, Any] = {}
    for table, spec in TABLES.items():
        if spec.synced:
            columns = ", ".join(spec.travelling)
            rows = db.read(f"SELECT {columns} FROM {table} ORDER BY {', '.join(spec.key)}")
            tables[table] = [dict(row) for row in rows]
    tables["labels that stand"] = [tuple(row) for row in db.read("SELECT sample, label FROM samples ORDER BY sample")]
    tables["conflicts"] = [
        tuple(row) for row in db.read("SELECT table_name, row_key, lost, held FROM row_clocks ORDER BY 1, 2")
    ]
    tables["stamps"] = [
        tuple(row)
        for row in db.read("SELECT table_name, row_key, clock, replica, stamps FROM row_clocks ORDER BY 1, 2")
    ]
    tables["shown"] = [(one.conflict, one.stands, one.other) for one in conflicts.list_conflicts(db)]
    return tables
