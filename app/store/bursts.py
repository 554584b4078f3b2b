"""Bursts, their curves and logs, and the controller's own record of each."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from app.store.database import Database
from app.store.lookup import resolve
from app.store.records import Burst, CurvePoint
from app.store.writer import Writer
from edge_runtime.contracts import wire


def put_burst(db: Database, burst: Burst) -> None:
    """Keep a burst as it stands now."""
    db.write(lambda writer: writer.upsert("bursts", wire.to_dict(burst)))


def get_burst(db: Database, burst: str) -> Burst:
    """A burst by its id or the unique beginning of it.

    :raises NotFound: there is none.
    """
    (row,) = db.read("SELECT * FROM bursts WHERE burst = ?", (resolve(db, "bursts", "burst", burst, "burst"),))
    return Burst(**row)


def list_bursts(db: Database) -> list[Burst]:
    """Every burst, newest first."""
    return [Burst(**row) for row in db.read("SELECT * FROM bursts ORDER BY created_ms DESC, burst")]


def put_points(db: Database, burst: str, points: Sequence[CurvePoint]) -> None:
    """Add points to a burst's curve; a step that is there already is replaced."""

    def work(writer: Writer) -> None:
        for point in points:
            writer.upsert("burst_points", {"burst": burst, **wire.to_dict(point)})
        writer.touch("bursts", burst)

    db.write(work)


def points(db: Database, burst: str) -> list[CurvePoint]:
    """A burst's curve by step."""
    rows = db.read("SELECT step, loss, accuracy FROM burst_points WHERE burst = ? ORDER BY step", (burst,))
    return [CurvePoint(**row) for row in rows]


def put_log(db: Database, burst: str, lines: Sequence[str]) -> None:
    """Replace a burst's log by these lines; those that are there already cost nothing."""

    def work(writer: Writer) -> None:
        (count,) = writer.execute("SELECT COUNT(*) FROM burst_log WHERE burst = ?", (burst,)).fetchone()
        if len(lines) < count:
            writer.execute("DELETE FROM burst_log WHERE burst = ? AND line > ?", (burst, len(lines)))
        for number, text in enumerate(lines, start=1):
            writer.execute(
                "INSERT INTO burst_log (burst, line, text) VALUES (?, ?, ?)"
                " ON CONFLICT (burst, line) DO UPDATE SET text = excluded.text WHERE text <> excluded.text",
                (burst, number, text),
            )
        writer.touch("bursts", burst)

    db.write(work)


def log(db: Database, burst: str, after: int = 0) -> list[str]:
    """A burst's log lines after the first ``after`` ones."""
    rows = db.read("SELECT text FROM burst_log WHERE burst = ? AND line > ? ORDER BY line", (burst, after))
    return [row["text"] for row in rows]


def replace_record(db: Database, burst: str, body: str, *, replaces: Callable[[str | None], bool]) -> bool:
    """Keep what the controller must not forget about a burst, as the JSON that it gave.

    :param replaces: whether what is kept now may be replaced; asked in the same transaction.
    :returns: False: it may not, and nothing was changed.
    """

    def work(writer: Writer) -> bool:
        row = writer.execute("SELECT body FROM burst_records WHERE burst = ?", (burst,)).fetchone()
        if not replaces(row["body"] if row else None):
            return False
        writer.upsert("burst_records", {"burst": burst, "body": body})
        return True

    return db.write(work)


def get_record(db: Database, burst: str) -> str | None:
    """What :func:`replace_record` kept; None where this desktop does not control the burst."""
    row = db.read_one("SELECT body FROM burst_records WHERE burst = ?", (burst,))
    return row["body"] if row else None
