"""Where the versions of a box's configuration lie: ``config/`` in its home, each text in a file of its own (0600)."""

from __future__ import annotations

import hashlib
import logging
from contextlib import suppress
from pathlib import Path

from edge_runtime.config import MAX_CONFIG_BYTES
from edge_runtime.contracts import wire
from edge_runtime.contracts.configuring import ConfigHistory, ConfigVersion
from edge_runtime.contracts.errors import InputInvalid, NotFound
from edge_runtime.update.durable import put_aside, remove_unfinished, write_durably

FOLDER = "config"
TABLE = "versions.json"
MAX_TABLE_BYTES = 2**18
_log = logging.getLogger(__name__)


def digest_of(text: bytes) -> str:
    return hashlib.sha256(text).hexdigest()


class ConfigStore:
    """Used by one thread at a time."""

    def __init__(self, home: Path) -> None:
        self._folder = home / FOLDER

    def load(self) -> ConfigHistory:
        """What is known; nothing where what was written cannot be read: the file in force is known all the same."""
        remove_unfinished(self._folder)
        try:
            with (self._folder / TABLE).open("rb") as file:
                return wire.decode(file.read(MAX_TABLE_BYTES), ConfigHistory, what="history of the configuration")
        except FileNotFoundError:
            return ConfigHistory()
        except InputInvalid as error:
            _log.error("%s", error)
            with suppress(OSError):
                put_aside(self._folder / TABLE)
        except OSError as error:
            _log.error("the history of the configuration cannot be read: %s", error)
        return ConfigHistory()

    def next_number(self, history: ConfigHistory) -> int:
        """One that was never given, also where the table was lost."""
        lying = (int(path.stem) for path in self._folder.glob("*.toml") if path.stem.isdecimal())
        return max((*lying, *(one.number for one in history.versions)), default=0) + 1

    def keep_text(self, number: int, text: bytes) -> None:
        """:raises DiskFull, OSError: it cannot be written; nothing was changed."""
        self._folder.mkdir(mode=0o700, exist_ok=True)
        write_durably(self._text(number), [text], mode=0o600)

    def save(self, history: ConfigHistory) -> None:
        """On the disk when this returns; texts that it does not speak of go.

        :raises DiskFull, OSError: what was known before still stands.
        """
        self._folder.mkdir(mode=0o700, exist_ok=True)
        write_durably(self._folder / TABLE, [wire.encode(history)], mode=0o600)
        kept = {self._text(one.number) for one in history.versions}
        for path in self._folder.glob("*.toml"):
            if path not in kept:
                with suppress(OSError):
                    path.unlink()

    def text(self, version: ConfigVersion) -> bytes:
        """:raises NotFound: it is not what was kept."""
        try:
            with self._text(version.number).open("rb") as file:
                body = file.read(MAX_CONFIG_BYTES + 1)
        except OSError:
            body = b""
        if digest_of(body) != version.digest:
            raise NotFound(f"The text of version {version.number} is not what was kept on this box.")
        return body

    def _text(self, number: int) -> Path:
        return self._folder / f"{number}.toml"
