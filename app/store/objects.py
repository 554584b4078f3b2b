"""Which content-addressed files this desktop has, which the object store has, and which are still to come or go."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from app.store.database import Database
from app.store.records import Waiting
from app.store.writer import Writer

_PRESENT = "SELECT sha256 FROM objects WHERE present = 1 AND synced_ms IS NOT NULL"
_LOOKED = "looked-for-lost"
"""The last file that was looked at; nothing: begin anew."""
ObjectKind = Literal["sample", "bundle", "dataset", "other"]


def add_object(writer: Writer, sha256: str, size: int, kind: ObjectKind) -> None:
    """A file of this digest lies in this desktop's blobs now."""
    writer.execute(
        "INSERT INTO objects (sha256, size, kind, present) VALUES (?, ?, ?, 1)"
        " ON CONFLICT (sha256) DO UPDATE SET present = 1",
        (sha256, size, kind),
    )
    writer.touch("objects", sha256)


def expect_object(writer: Writer, sha256: str, size: int, kind: ObjectKind) -> None:
    """Another desktop wrote of this file: it is in the object store, or will be. It is fetched unless it is here."""
    writer.execute(
        "INSERT INTO objects (sha256, size, kind, present) VALUES (?, ?, ?, 0) ON CONFLICT (sha256) DO NOTHING",
        (sha256, size, kind),
    )
    writer.touch("objects", sha256)


@dataclass(frozen=True, slots=True)
class Stored:
    """A file, its size in bytes, and what it is."""

    sha256: str
    size: int
    kind: ObjectKind


def unsynced(db: Database) -> list[Stored]:
    """Files here that the object store is not known to have, in the order in which they are to go: samples last."""
    rows = db.read(
        "SELECT sha256, size, kind FROM objects WHERE present = 1 AND synced_ms IS NULL"
        " ORDER BY kind = 'sample', kind, size, sha256"
    )
    return [Stored(*row) for row in rows]


def sized(db: Database, objects: Sequence[str]) -> list[Stored]:
    """What is known of these files, small ones first."""
    sql = "SELECT sha256, size, kind FROM objects JOIN json_each(?) ON value = sha256 ORDER BY size, sha256"
    return [Stored(*row) for row in db.read(sql, (json.dumps(list(objects)),))]


def waiting(db: Database) -> list[Waiting]:
    """Files that are to go, by kind, and those that are to come."""
    rows = db.read(
        """SELECT kind, COUNT(*) AS count, SUM(size) AS bytes FROM objects
            WHERE present = 1 AND synced_ms IS NULL GROUP BY kind ORDER BY kind = 'sample', kind"""
    )
    found = [Waiting(kind=row["kind"], count=row["count"], bytes=row["bytes"]) for row in rows]
    (coming,) = db.read(
        "SELECT COUNT(*) AS count, COALESCE(SUM(size), 0) AS bytes FROM objects WHERE present = 0 AND kind <> 'sample'"
    )
    if coming["count"]:
        found.append(Waiting(kind="coming", count=coming["count"], bytes=coming["bytes"]))
    return found


def mark_synced(db: Database, objects: Sequence[tuple[str, int]]) -> None:
    """The object store has these files now: (sha256, bytes) of each."""

    def work(writer: Writer) -> None:
        writer.executemany(
            "UPDATE objects SET synced_ms = ?, size = ? WHERE sha256 = ?",
            [(writer.now_ms, size, sha256) for sha256, size in objects],
        )
        writer.touch("objects", *(sha256 for sha256, _size in objects))

    db.write(work)


def all_present(db: Database) -> list[str]:
    """Files that are taken to be here and that the object store has."""
    return [row["sha256"] for row in db.read(_PRESENT)]


def some_present(db: Database, limit: int) -> list[str]:
    """Of :func:`all_present` every bundle and dataset, of which there are few, and the next few samples by turns: asked
    again and again, every file comes.
    """

    def work(writer: Writer) -> list[str]:
        few = writer.read(f"{_PRESENT} AND kind IN ('bundle', 'dataset')")
        rows = writer.read(
            f"{_PRESENT} AND kind NOT IN ('bundle', 'dataset') AND sha256 > ? ORDER BY sha256 LIMIT ?",
            (writer.noted(_LOOKED) or "", limit),
        )
        found = [row["sha256"] for row in rows]
        if found or writer.noted(_LOOKED):
            writer.note(_LOOKED, found[-1] if len(found) == limit else None)
        return [row["sha256"] for row in few] + found

    return db.write(work)


def mark_missing(db: Database, *objects: str) -> None:
    """Files that should be here are not: the next sync fetches them, and samples whoever wants them."""

    def work(writer: Writer) -> None:
        for sha256 in objects:
            writer.execute("UPDATE objects SET present = 0 WHERE sha256 = ?", (sha256,))
            writer.touch("objects", sha256)
            if writer.execute("UPDATE samples SET presence = 3 WHERE sample = ? AND presence = 1", (sha256,)).rowcount:
                writer.touch("samples", sha256)

    db.write(work)


def mark_unsent(db: Database, *objects: str) -> None:
    """The object store has lost these files: the next sync sends them again."""

    def work(writer: Writer) -> None:
        for sha256 in objects:
            writer.execute("UPDATE objects SET synced_ms = NULL WHERE sha256 = ?", (sha256,))
            writer.touch("objects", sha256)

    db.write(work)


def wanted(db: Database) -> list[str]:
    """Files that other desktops wrote of and that every desktop has, but are not here yet: all but samples."""
    rows = db.read("SELECT sha256 FROM objects WHERE present = 0 AND kind <> 'sample' ORDER BY sha256")
    return [row["sha256"] for row in rows]


def fetchable(db: Database, objects: Sequence[str]) -> list[str]:
    """Which of these files the object store has, or another desktop wrote of."""
    sql = """SELECT sha256 FROM objects JOIN json_each(?) ON value = sha256
        WHERE synced_ms IS NOT NULL OR present = 0 ORDER BY sha256"""
    return [row["sha256"] for row in db.read(sql, (json.dumps(list(objects)),))]


def in_store(db: Database, objects: Sequence[str]) -> list[str]:
    """Which of these files are known to be in the object store."""
    sql = """SELECT sha256 FROM objects JOIN json_each(?) ON value = sha256
        WHERE synced_ms IS NOT NULL ORDER BY sha256"""
    return [row["sha256"] for row in db.read(sql, (json.dumps(list(objects)),))]


def mark_received(db: Database, *objects: str) -> None:
    """Wanted files came from the object store and lie, verified, in this desktop's blobs."""

    def work(writer: Writer) -> None:
        for sha256 in objects:
            writer.execute(
                "UPDATE objects SET present = 1, synced_ms = COALESCE(synced_ms, ?) WHERE sha256 = ?",
                (writer.now_ms, sha256),
            )
            writer.touch("objects", sha256)
            if writer.execute("UPDATE samples SET presence = 1 WHERE sample = ?", (sha256,)).rowcount:
                writer.touch("samples", sha256)

    db.write(work)


def mark_here(db: Database, objects: Sequence[str]) -> None:
    """Wanted files came from elsewhere than the object store, and lie, verified, in this desktop's blobs."""

    def work(writer: Writer) -> None:
        for sha256 in objects:
            writer.execute("UPDATE objects SET present = 1 WHERE sha256 = ?", (sha256,))
            writer.touch("objects", sha256)
            if writer.execute("UPDATE samples SET presence = 1 WHERE sample = ?", (sha256,)).rowcount:
                writer.touch("samples", sha256)

    db.write(work)


def by_rank(db: Database, *, present: bool) -> list[Stored]:
    """Files that are here, or that are not, in the order in which they are to go: samples last."""
    rows = db.read(
        "SELECT sha256, size, kind FROM objects WHERE present = ? ORDER BY kind = 'sample', kind, size, sha256",
        (int(present),),
    )
    return [Stored(*row) for row in rows]


def known_objects(db: Database) -> tuple[int, int]:
    """(files, bytes) that are here and known to be in the object store."""
    (row,) = db.read(
        "SELECT COUNT(*) AS n, COALESCE(SUM(size), 0) AS bytes FROM objects WHERE present = 1 AND synced_ms IS NOT NULL"
    )
    return row["n"], row["bytes"]
