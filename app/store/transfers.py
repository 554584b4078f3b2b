"""Transfers of large objects under way: the database as :class:`cloud_sync.resumable.TransferLedger`."""

from __future__ import annotations

from collections.abc import Sequence

from app.store.database import Database
from app.store.writer import Writer


class StoreLedger:
    """Every method is one transaction, durable when it returns."""

    def __init__(self, db: Database) -> None:
        self._db = db

    def upload_of(self, sha256: str) -> tuple[str, int] | None:
        """(name of the upload in the store, bytes a part) of one that was begun."""
        row = self._db.read_one("SELECT upload, part_bytes FROM uploads WHERE sha256 = ?", (sha256,))
        return (row["upload"], row["part_bytes"]) if row else None

    def begin_upload(self, sha256: str, upload: str, part_bytes: int) -> None:
        """Remember what the store calls it, before the first part goes."""
        self._db.write(
            lambda writer: writer.execute(
                "INSERT OR REPLACE INTO uploads (sha256, upload, part_bytes, begun_ms) VALUES (?, ?, ?, ?)",
                (sha256, upload, part_bytes, writer.now_ms),
            )
        )

    def end_upload(self, sha256: str) -> None:
        """It is finished, or gone; nothing where none was begun."""
        if self.upload_of(sha256) is not None:
            self._db.write(lambda writer: writer.execute("DELETE FROM uploads WHERE sha256 = ?", (sha256,)))

    def came(self, sha256: str, size: int, part_bytes: int) -> frozenset[int]:
        """Numbers of the parts that came; a download of another size, or in other parts, is forgotten."""

        def work(writer: Writer) -> frozenset[int]:
            known = writer.read("SELECT size, part_bytes FROM downloads WHERE sha256 = ?", (sha256,))
            if known and tuple(known[0]) == (size, part_bytes):
                rows = writer.read("SELECT number FROM download_parts WHERE sha256 = ?", (sha256,))
                return frozenset(row["number"] for row in rows)
            _forget_download(writer, sha256)
            writer.execute(
                "INSERT INTO downloads (sha256, size, part_bytes, begun_ms) VALUES (?, ?, ?, ?)",
                (sha256, size, part_bytes, writer.now_ms),
            )
            return frozenset()

        return self._db.write(work)

    def parts_came(self, sha256: str, numbers: Sequence[int]) -> None:
        """They lie in the file beside the object's place."""

        def work(writer: Writer) -> None:
            for number in numbers:
                writer.execute(
                    "INSERT OR IGNORE INTO download_parts (sha256, number)"
                    " SELECT sha256, ? FROM downloads WHERE sha256 = ?",
                    (number, sha256),
                )

        self._db.write(work)

    def end_download(self, sha256: str) -> None:
        """It is whole, or gone; nothing where none was begun."""
        self._db.write(lambda writer: _forget_download(writer, sha256))


def _forget_download(writer: Writer, sha256: str) -> None:
    writer.execute("DELETE FROM download_parts WHERE sha256 = ?", (sha256,))
    writer.execute("DELETE FROM downloads WHERE sha256 = ?", (sha256,))


def old_downloads(db: Database, before_ms: int) -> list[str]:
    """Downloads that were begun before this moment and never came to their end."""
    return [row["sha256"] for row in db.read("SELECT sha256 FROM downloads WHERE begun_ms < ?", (before_ms,))]
