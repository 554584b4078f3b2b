"""``edge.toml`` on the disk: read, written, and looked at for what somebody edits by hand."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

from edge_runtime.config import CONFIG_NAME, read_config
from edge_runtime.contracts.errors import ConfigInvalid, LinesideError, NotFound
from edge_runtime.update.durable import write_durably

LOOK_EVERY_S = 2.0
"""How often it is looked whether somebody edited the file by hand."""


class ConfigFile:
    """Used by one thread at a time."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._next_look = 0.0
        self._looked: tuple[int, int, int] | None = None
        self._missed = False
        """The file was not there when it was looked at last."""

    def text(self) -> bytes:
        """What stands in it.

        :raises ConfigInvalid: it is gone, or cannot be read.
        """
        try:
            return read_config(self.path)
        except NotFound as error:
            raise ConfigInvalid(f"There is no {CONFIG_NAME} any more on this box.") from error

    def write(self, text: bytes) -> None:
        """:raises DiskFull, OSError: the disk does not take it."""
        write_durably(self.path, [text], mode=0o600)

    def look(self, *, changed: Callable[[bytes], None], gone: Callable[[], None]) -> None:
        """Call a few times a second.

        :param changed: told what stands there where the file is not the one that was looked at last.
        :param gone: called where there is none, at two looks in a row.
        """
        if time.monotonic() < self._next_look:
            return
        self._next_look = time.monotonic() + LOOK_EVERY_S
        missed, self._missed = self._missed, False
        try:
            found = self.path.stat()
            looked = found.st_mtime_ns, found.st_ino, found.st_size
            if looked == self._looked:
                return
            body = self.text()
        except FileNotFoundError:
            # An editor may just be about to put another one there.
            self._missed = True
            if missed:
                gone()
            return
        except (LinesideError, OSError):
            # Being written just now: what runs does not need it.
            return
        self._looked = looked
        changed(body)
