"""What this desktop notes in its own chain when audits of a box come: nobody changes them unseen afterwards."""

from __future__ import annotations

import sqlite3
import time
from collections import defaultdict
from collections.abc import Mapping, Sequence

from app.store.audit_chain import Noted, ToldEnd, noted_of
from app.store.writer import Writer
from edge_runtime.contracts import wire
from edge_runtime.contracts.errors import InputInvalid
from edge_runtime.contracts.rows import AuditRow

CAME = "audits.collected"
"""What an entry of the chain is about: audits came from the box itself, or from another desktop."""

_MOST_SAID = 5


def note_audits(writer: Writer, box: str, rows: Sequence[AuditRow], told: ToldEnd | None, *, source: str) -> None:
    """Add an entry about audits that stand here from this transaction on.

    :param source: where they came from, in words.
    """
    noted = noted_of(rows, told)
    found = writer.execute("SELECT name FROM boxes WHERE box = ?", (box,)).fetchone()
    name = found["name"] if found else box[:12]
    writer.activity(CAME, box, f"Audits of {name} from {source}: {_in_words(noted)}.", facts=wire.encode(noted))


def note_all(connection: sqlite3.Connection) -> None:
    """Note the audits of every box as they stand in a database that knew of no notes."""
    factory, connection.row_factory = connection.row_factory, sqlite3.Row
    try:
        writer = Writer(connection, replica="", who="lineside", now_ms=time.time_ns() // 1_000_000)
        for (box,) in connection.execute("SELECT box FROM audits UNION SELECT box FROM audit_chains").fetchall():
            rows = [
                AuditRow(**row)
                for row in connection.execute(
                    "SELECT box, boot, seq, at_ms, kind, who, message, entry, previous, chain FROM audits"
                    " WHERE box = ? ORDER BY entry, boot, seq",
                    (box,),
                )
            ]
            ends = [
                ToldEnd(**row)
                for row in connection.execute(
                    "SELECT beginning, entry, digest, anchor, taken_back FROM audit_chains WHERE box = ?", (box,)
                )
            ]
            note_audits(writer, box, rows, ends[0] if ends else None, source="before audits were noted")
            for end in ends[1:]:
                note_audits(writer, box, (), end, source="before audits were noted")
    finally:
        connection.row_factory = factory


def read_noted(entries: Sequence[Mapping[str, str]]) -> dict[str, list[Noted]]:
    """What was noted of each box, oldest first, from ``subject`` and ``facts`` of entries about :data:`CAME`; what
    nobody noted like that shows in the digest of its entry, and is passed by.
    """
    noted: defaultdict[str, list[Noted]] = defaultdict(list)
    for entry in entries:
        try:
            noted[entry["subject"]].append(wire.decode(entry["facts"], Noted, what="note of audits"))
        except InputInvalid:
            continue
    return dict(noted)


def _in_words(noted: Noted) -> str:
    runs = sorted(noted.runs, key=lambda run: run.first)
    words = [
        f"entry {run.first}" if run.first == run.last else f"entries {run.first} to {run.last}"
        for run in runs[:_MOST_SAID]
    ]
    if len(runs) > _MOST_SAID:
        words.append(f"and {len(runs) - _MOST_SAID} more ranges")
    if noted.unsealed:
        words.append(f"{len(noted.unsealed)} without a seal")
    return ", ".join(words) or "none, but how far they reach"
