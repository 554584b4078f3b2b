"""The files of the two slots: ``slots/a.bundle`` and ``slots/b.bundle``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from edge_runtime.contracts.errors import BundleTampered
from edge_runtime.update.bundle import Bundle, check_copy, read_bundle
from edge_runtime.update.durable import file_digest, make_folder, read_chunks, remove_unfinished, write_durably
from edge_runtime.update.slots import SlotName, SlotTable

if TYPE_CHECKING:
    from edge_runtime.update.verify import VerifiedTarget


class SlotFiles:
    """Used by one thread at a time, apart from :meth:`check`."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        make_folder(folder)
        self._read: tuple[str, Bundle] | None = None
        """What was read last, by its file's digest."""

    def path(self, where: SlotName) -> Path:
        return self._folder / f"{where}.bundle"

    def put(self, where: SlotName, delivered: Path, verified: VerifiedTarget) -> Bundle:
        """Copy what was delivered into a slot.

        :raises DiskFull: no room.
        :raises BundleInvalid, BundleTampered: the copy is not what was signed.
        """
        write_durably(self.path(where), read_chunks(delivered))
        return check_copy(self.path(where), verified)

    def read(self, table: SlotTable, where: SlotName) -> Bundle:
        """What the table says lies there; from memory where it was read last.

        :raises BundleInvalid, BundleTampered: the file was damaged.
        """
        digest = table.slot(where).file
        if self._read and self._read[0] == digest:
            return self._read[1]
        bundle = self.check(table, where)
        self._read = (digest or "", bundle)
        return bundle

    def check(self, table: SlotTable, where: SlotName) -> Bundle:
        """As :meth:`read`, from the file itself."""
        path = self.path(where)
        if not path.is_file() or file_digest(path) != table.slot(where).file:
            raise BundleTampered(f"The model file in slot {where} is not the one that was installed.")
        return read_bundle(path)

    def tidy(self) -> None:
        """Remove what a power cut left unfinished."""
        remove_unfinished(self._folder)
