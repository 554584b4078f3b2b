"""Kept inputs and their labels."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from typing import Any

from app.store.database import Database
from app.store.lookup import check_limit, join_cursor, resolve, split_cursor
from app.store.objects import add_object
from app.store.records import Page, Sample
from app.store.writer import Writer
from edge_runtime.contracts.errors import NotFound

_COLUMNS = """sample, origin, box, pipeline, frame, at_ms, media, size, reason, predicted, confidence, margin,
    label, labelled_ms, presence = 3 AS stored"""


def put_import(writer: Writer, *, sample: str, frame: str, at_ms: int, media: str, size: int) -> bool:
    """Keep an imported file whose bytes are in the blobs; False where the sample was known with its bytes."""
    row = {
        "sample": sample,
        "origin": "import",
        "frame": frame,
        "at_ms": at_ms,
        "media": media,
        "size": size,
        "reason": "import",
    }
    new = writer.insert_new("samples", row, journal=False)
    return _present(writer, sample) or new


def mark_present(db: Database, *samples: str) -> None:
    """The samples' bytes lie in the blobs now; from here on other desktops hear of them."""

    def work(writer: Writer) -> None:
        for sample in samples:
            _present(writer, sample)

    db.write(work)


def mark_lost(db: Database, sample: str) -> None:
    """The box let the bytes go before they were collected: nobody asks for them again."""

    def work(writer: Writer) -> None:
        writer.execute("UPDATE samples SET presence = 2 WHERE sample = ? AND presence = 0", (sample,))
        writer.touch("samples", sample)

    db.write(work)


def _present(writer: Writer, sample: str) -> bool:
    row = writer.execute(
        "UPDATE samples SET presence = 1 WHERE sample = ? AND presence <> 1 RETURNING size", (sample,)
    ).fetchone()
    if row is None:
        return False
    add_object(writer, sample, row["size"], "sample")
    writer.journal("samples", {"sample": sample})
    writer.touch("samples", sample)
    return True


def missing_bytes(db: Database, box: str) -> list[str]:
    """Samples of a box whose bytes are still to be fetched from it."""
    rows = db.read("SELECT sample FROM samples WHERE box = ? AND presence = 0 ORDER BY at_ms, sample", (box,))
    return [row["sample"] for row in rows]


def page_samples(
    db: Database,
    *,
    cursor: str | None = None,
    limit: int = 100,
    labelled: bool | None = None,
    box: str | None = None,
    reason: str | None = None,
) -> Page[Sample]:
    """Samples, newest first. The first page counts them all; the following ones do not.

    :param labelled: only those with, or without, a label.
    """
    conditions = ["presence <> 2"]
    parameters: dict[str, Any] = {"limit": check_limit(limit) + 1}
    if labelled is not None:
        conditions.append("label IS NOT NULL" if labelled else "label IS NULL")
    for column, value in (("box", box), ("reason", reason)):
        if value is not None:
            conditions.append(f"{column} = :{column}")
            parameters[column] = value
    total = None
    if cursor is None:
        # The conditions are written above; values are bound.
        total = db.read(f"SELECT COUNT(*) FROM samples WHERE {' AND '.join(conditions)}", parameters)[0][0]  # noqa: S608 - constants
    else:
        parameters["at_ms"], parameters["sample"] = split_cursor(cursor, (int, str))
        conditions.append("(at_ms, sample) < (:at_ms, :sample)")
    rows = db.read(
        # As above.
        f"SELECT {_COLUMNS} FROM samples WHERE {' AND '.join(conditions)}"  # noqa: S608 - constants
        " ORDER BY at_ms DESC, sample DESC LIMIT :limit",
        parameters,
    )
    shown = tuple(_sample(row) for row in rows[:limit])
    more = len(rows) > limit
    return Page(rows=shown, cursor=join_cursor(shown[-1].at_ms, shown[-1].sample) if more else None, total=total)


def get_sample(db: Database, sample: str) -> Sample:
    """A sample by its id or the unique beginning of it.

    :raises NotFound: there is none.
    :raises InputInvalid: several begin so.
    """
    found = resolve(db, "samples", "sample", sample, "sample")
    (row,) = db.read(f"SELECT {_COLUMNS} FROM samples WHERE sample = ?", (found,))  # noqa: S608 - a constant
    return _sample(row)


def _sample(row: sqlite3.Row) -> Sample:
    return Sample(**{**dict(row), "stored": bool(row["stored"])})


def labelled_samples(db: Database) -> list[tuple[str, str]]:
    """(sample, label) of every labelled sample whose bytes are here or in the object store, sorted by sample."""
    rows = db.read("SELECT sample, label FROM samples WHERE label IS NOT NULL AND presence IN (1, 3) ORDER BY sample")
    return [(row["sample"], row["label"]) for row in rows]


def add_label(db: Database, sample: str, label: str | None, who: str | None = None) -> bool:
    """Append one label event; False where that label stands already. See :func:`add_labels`."""
    return db.write(lambda writer: add_labels(writer, {sample: label}, who) == 1)


def add_labels(writer: Writer, labels: Mapping[str, str | None], who: str | None = None) -> int:
    """Append a label event for each sample whose standing label differs; returns how many.

    Events are never changed: the one with the latest clock stands. None takes a label away.

    :raises NotFound: a sample is not known; nothing was labelled.
    """
    written = 0
    for sample, label in labels.items():
        row = writer.execute("SELECT label FROM samples WHERE sample = ?", (sample,)).fetchone()
        if row is None:
            raise NotFound(f"There is no sample {sample[:12]!r}.")
        if row["label"] == label:
            continue
        _write_label(writer, sample, label, who)
        written += 1
    return written


def repeat_label(writer: Writer, sample: str) -> None:
    """Say once more what stands, having seen whatever other desktops said: it follows all of it from here on."""
    row = writer.execute("SELECT label FROM samples WHERE sample = ?", (sample,)).fetchone()
    _write_label(writer, sample, row["label"], None)


def _write_label(writer: Writer, sample: str, label: str | None, who: str | None) -> None:
    clock = writer.tick()
    writer.insert_new(
        "label_events",
        {
            "event": f"{clock}-{writer.replica[:16]}",
            "sample": sample,
            "label": label,
            "who": who or writer.who,
            "at_ms": writer.now_ms,
            "clock": clock,
            "replica": writer.replica,
            "base": standing_events(writer, sample),
        },
    )
    writer.touch("samples", sample)


def standing_events(writer: Writer, sample: str) -> str:
    """Ids of the label events of a sample that no other one followed, joined by commas; more than one where desktops
    labelled it while apart.
    """
    sql = "SELECT event FROM label_events WHERE sample = ? AND superseded = 0 ORDER BY event"
    return ",".join(event for (event,) in writer.execute(sql, (sample,)))


def label_counts(db: Database) -> dict[str, int]:
    """How many samples stand under each label, by label."""
    rows = db.read(
        "SELECT label, COUNT(*) AS n FROM samples WHERE label IS NOT NULL AND presence <> 2"
        " GROUP BY label ORDER BY label"
    )
    return {row["label"]: row["n"] for row in rows}


def count_samples(db: Database) -> int:
    """How many samples there are, without those whose bytes were lost."""
    count: int = db.read("SELECT COUNT(*) FROM samples WHERE presence <> 2")[0][0]
    return count
