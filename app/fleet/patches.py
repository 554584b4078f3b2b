"""Patches that this desktop has made: each is made once, for however many boxes."""

from __future__ import annotations

import os
import threading
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cloud_sync.release.patch import Patch

MAX_PATCHED_BYTES = 64 * 2**20
"""Larger bundles go whole: making a patch between two that have little in common takes half a second a megabyte."""
KEPT = 16


class Patches:
    """A folder of them; may be called from several threads."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._lock = threading.Lock()
        self._known: dict[Path, Patch] = {}

    def between(self, base: Path, base_sha256: str, whole: Path, sha256: str) -> Patch | None:
        """What makes ``whole`` of ``base``; None where one of them is too large for that, or has another digest.

        :raises DiskFull: no room for it here.
        """
        if max(base.stat().st_size, whole.stat().st_size) > MAX_PATCHED_BYTES:
            return None
        path = self._folder / f"{base_sha256}-{sha256}.patch"
        with self._lock:
            patch = self._known.get(path)
            if patch is None or not path.exists():
                self._drop_oldest(keep=KEPT - 1)
                patch = self._known[path] = _made(base, whole, path)
            os.utime(path)
        return patch if (patch.base, patch.whole) == (base_sha256, sha256) else None

    def forget(self, patch: Patch) -> None:
        """It did not work: the next one is made anew."""
        with self._lock:
            self._known.pop(patch.path, None)
            patch.path.unlink(missing_ok=True)

    def _drop_oldest(self, *, keep: int) -> None:
        if self._folder.is_dir():
            newest = sorted(self._folder.glob("*.patch"), key=lambda path: path.stat().st_mtime_ns, reverse=True)
            for path in newest[keep:]:
                with suppress(OSError):
                    path.unlink()


def _made(base: Path, whole: Path, path: Path) -> Patch:
    # Only now: it takes a while to load.
    from cloud_sync.release.patch import make_patch, read_patch
    from edge_runtime.contracts.errors import PatchUnusable

    with suppress(FileNotFoundError, PatchUnusable):
        return read_patch(path)
    return make_patch(base, whole, path)
