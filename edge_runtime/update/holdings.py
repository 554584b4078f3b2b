"""Which files a box has beside those that were just delivered: found by their bytes, whatever the tables say."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from pathlib import Path

from edge_runtime.update.durable import file_digest

_Look = tuple[int, int, int]


def bundle_folders(home: Path) -> tuple[Path, ...]:
    """Where a box keeps what it runs or ran: bundles of models, and wheels of its own program."""
    return home / "slots", home / "shadow", *((home / "runtime" / slot / "wheels") for slot in ("a", "b"))


class Holdings:
    """The ``.bundle`` and ``.whl`` files in some folders, by sha256; may be called from several threads.

    A file is read once for each time it changed. Its digest is that of what lies there, so that a damaged one is not
    taken for the one that it was.
    """

    def __init__(self, folders: Sequence[Path]) -> None:
        self._folders = folders
        self._lock = threading.Lock()
        self._known: dict[Path, tuple[_Look, str]] = {}

    def find(self, sha256: str, size: int | None = None) -> Path | None:
        """The file with this digest; None where there is none.

        :param size: only files of so many bytes are looked into; None: all.
        """
        with self._lock:
            for folder in self._folders:
                for path in sorted((*folder.glob("*.bundle"), *folder.glob("*.whl"))):
                    try:
                        if self._digest(path, size) == sha256:
                            return path
                    except OSError:
                        # Replaced just now, or on a disk that fails: it is not there for whoever asks.
                        continue
            return None

    def _digest(self, path: Path, size: int | None) -> str | None:
        stat = path.stat()
        if size is not None and stat.st_size != size:
            return None
        look = stat.st_mtime_ns, stat.st_size, stat.st_ino
        known = self._known.get(path)
        if known is None or known[0] != look:
            known = self._known[path] = look, file_digest(path)
        return known[1]
