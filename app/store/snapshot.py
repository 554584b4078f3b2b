"""The database as :class:`cloud_sync.journal.snapshot.SnapshotJournal`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from app.store.database import Database
from app.store.journal import COVERED, SEALED_SEQ, note_of, take_over
from app.store.rows import fact_change, load_row, to_change
from app.store.tables import TABLES, Table
from app.store.writer import Writer
from cloud_sync.journal.changes import Change
from cloud_sync.journal.clock import FIRST_STAMP

_PAGE = 1000
_NOBODY = "0"


class StoreSnapshots:
    """What desktops have in common, as rows of the journal."""

    def __init__(self, db: Database) -> None:
        self._db = db

    def standing(self) -> Iterator[Change]:
        """Every row that desktops have in common, gone ones included, by table and key."""
        for name, table in sorted(TABLES.items()):
            if table.synced:
                yield from self._facts(name, table) if table.fact else self._rows(name)

    def merge(self, changes: Sequence[Change]) -> None:
        """Take rows over, whole or not at all.

        :raises InputInvalid: a row is not of the form that its table has; none was taken over.
        """
        self._db.write(lambda writer: take_over(writer, changes, source="a snapshot"))

    def covers(self, positions: Mapping[str, int]) -> None:
        """What went into these segments is here."""

        def work(writer: Writer) -> None:
            for replica, seq in positions.items():
                if replica != writer.replica:
                    writer.execute(
                        "INSERT INTO positions (replica, seq) VALUES (?, ?)"
                        " ON CONFLICT (replica) DO UPDATE SET seq = max(seq, excluded.seq)",
                        (replica, seq),
                    )

        self._db.write(work)

    def positions(self) -> dict[str, int]:
        """The last segment of every desktop, this one included, of which everything is here."""
        found = {row["replica"]: row["seq"] for row in self._db.read("SELECT replica, seq FROM positions")}
        own = int(note_of(self._db, SEALED_SEQ) or 0)
        return found | ({self._db.replica: own} if own else {})

    def known_covered(self) -> int:
        """How many segments the newest snapshot that is known here covers."""
        return int(note_of(self._db, COVERED) or 0)

    def note_covered(self, covered: int) -> None:
        self._db.write(lambda writer: writer.note(COVERED, str(covered)))

    def _rows(self, table: str) -> Iterator[Change]:
        last = ""
        while True:
            keys = self._db.read(
                "SELECT row_key FROM row_clocks WHERE table_name = ? AND row_key > ? ORDER BY row_key LIMIT ?",
                (table, last, _PAGE),
            )
            for (key,) in keys:
                row = load_row(self._db.read, table, key)
                if row is not None:
                    yield to_change(table, key, row)
            if len(keys) < _PAGE:
                return
            last = keys[-1][0]

    def _facts(self, name: str, table: Table) -> Iterator[Change]:
        columns, key = ", ".join(table.travelling), ", ".join(table.key)
        marks = ", ".join("?" * len(table.key))
        last: tuple[object, ...] | None = None
        while True:
            # Names come from TABLES alone, never from a value.
            where = f"WHERE ({key}) > ({marks})" if last else ""
            rows = self._db.read(
                f"SELECT {columns} FROM {name} {where} ORDER BY {key} LIMIT ?",  # noqa: S608 - names of ours
                (*(last or ()), _PAGE),
            )
            for row in rows:
                fact = dict(row)
                clock = fact["clock"] if name == "label_events" else FIRST_STAMP
                yield fact_change(name, fact, clock, str(fact.get("replica") or _NOBODY))
            if len(rows) < _PAGE:
                return
            last = tuple(rows[-1][column] for column in table.key)
